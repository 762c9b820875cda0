"""A template learnt from nothing but landmarks and which of them are mirror images. No torch."""

import numpy as np
from jaxtyping import Complex128, Float64

from mimic3d.preparation.poses.landmark_table import LandmarkTable
from mimic3d.preparation.poses.learning import LearningConfig, Learnt, choose_images, learn_template
from mimic3d.preparation.poses.lookat import Orbit, to_complex, to_points
from mimic3d.preparation.poses.template import MIN_POINTS, Template, check_pairs, twins_of

MIN_PAIRS = 2
MIN_IMAGES = 30  # with all landmarks
USUAL_YAW_RAD = 0.289  # deviation of the yaw of FFHQ (GMPI): only scales the first guess of depth

Pairs = tuple[tuple[str, str], ...]


def learn_from_scratch(
    table: LandmarkTable, pairs: Pairs, front: str | None, cfg: LearningConfig, key: str
) -> Learnt:
    """The template that fits a table best; `key` is what errors call the parameters.

    Seen from afar, an object and its hollow mould move alike. `front`, a landmark that is nearer to
    a frontal camera than most, tells them apart. (Near parts look larger, too, but that cue is
    weaker than the differences between individuals.)

    Raises:
        ValueError: There are too few pairs or images, left and right are exchanged, or `front` is
            missing or not clearly in front of or behind the others.
    """
    _check(table, pairs, front, key)
    complete = choose_images(table, cfg.num_images, len(table.names))
    if len(complete.images) < MIN_IMAGES:
        raise ValueError(
            f"{table.path} must have all landmarks in {MIN_IMAGES} images at least to learn a "
            f"template without a start, has in {len(complete.images)}; add images or give "
            f"{key}.template"
        )
    p = _upright(to_complex(complete.positions), table.names, pairs, key)
    shape, depth = _mean_shape(p, table.names, pairs), _guess_depth(p, table.names, pairs)
    nearer = depth[table.names.index(str(front))]
    if abs(nearer) < depth.std() / 2:
        clear = table.names[int(np.abs(depth).argmax())]
        raise ValueError(
            f"{key}.front must be clearly nearer to a frontal camera than most landmarks, {front} "
            f"is at the depth of the others; one that stands out in depth is {clear}"
        )
    flat = to_points(shape.conj())  # y up
    orbit = Orbit()
    points = np.concatenate([flat, np.sign(nearer) * depth[:, None]], axis=1)
    points *= cfg.extent * orbit.radius / orbit.focal / np.ptp(flat, axis=0).max()
    start = Template(table.names, points + np.asarray(orbit.pivot), pairs, orbit)
    return learn_template(table, start, cfg)


def _check(table: LandmarkTable, pairs: Pairs, front: str | None, key: str) -> None:
    try:
        check_pairs(pairs, table.names)
    except ValueError as error:
        raise ValueError(f"{key}.{error}") from None
    if len(pairs) < MIN_PAIRS:
        raise ValueError(
            f"{key}.pairs must name at least {MIN_PAIRS} pairs of landmarks where there is no "
            f"template, names {len(pairs)}; write [[left, right], ...], or give {key}.template"
        )
    if len(table.names) <= MIN_POINTS:
        raise ValueError(
            f"{table.path} must have more than {MIN_POINTS} landmarks to learn a template without "
            f"a start, has {len(table.names)}; add some, or give {key}.template"
        )
    if front not in table.names:
        raise ValueError(
            f"{key}.front must name a landmark that is nearer to a frontal camera than most, where "
            f"there is no template, is {front!r}; they are {', '.join(table.names)}"
        )


def _upright(
    p: Complex128[np.ndarray, "n m"], names: tuple[str, ...], pairs: Pairs, key: str
) -> Complex128[np.ndarray, "n m"]:
    """The landmarks centred, turned so that pairs are level, and of one height."""
    left = [names.index(name) for name, _ in pairs]
    right = [names.index(name) for _, name in pairs]
    across = (p[:, left] - p[:, right]).sum(axis=1)
    if np.median(np.abs(np.angle(across))) > np.pi / 2:
        raise ValueError(
            f"{key}.pairs must name the subject's left landmark first, which is on the right side "
            f"of a frontal photo; as they are, most photos are upside down: exchange the names"
        )
    p = (p - p.mean(axis=1, keepdims=True)) * (across.conj() / np.abs(across))[:, None]
    return p / np.sqrt((np.imag(p) ** 2).mean(axis=1, keepdims=True))


def _mean_shape(
    p: Complex128[np.ndarray, "n m"], names: tuple[str, ...], pairs: Pairs
) -> Complex128[np.ndarray, " m"]:
    """Mean of upright landmarks, made symmetric."""
    mean = p.mean(axis=0)
    return (mean - mean[twins_of(names, pairs)].conj()) / 2


def _guess_depth(
    p: Complex128[np.ndarray, "n m"], names: tuple[str, ...], pairs: Pairs
) -> Float64[np.ndarray, " m"]:
    """Depth up to its sign: when the camera turns, points on the middle line move by it.

    So it is the first principal component of the middles of pairs and of the points in no pair.
    """
    twins = twins_of(names, pairs)
    across = np.real(p + p[:, twins]) / 2
    across = across - across.mean(axis=1, keepdims=True)
    across = across - across.mean(axis=0)
    _, spread, directions = np.linalg.svd(across, full_matrices=False)
    return directions[0] * spread[0] / np.sqrt(len(p)) / USUAL_YAW_RAD
