"""Identity of a cat: shape, coat and collar, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from mimic3d.synthetic.identity import (
    NO_POSE_BIAS,
    CategoricalFactor,
    Identity,
    PoseBias,
    Triple,
    clip_color,
    clip_score,
    hsv,
    sample_categorical,
    sample_either_side,
    sample_light,
    sample_normal,
    sample_option,
)

COATS = {"tabby": 0.34, "plain": 0.16, "tuxedo": 0.16, "calico": 0.16, "siamese": 0.10, "van": 0.08}
FUR_TONES = {
    (0.74, 0.45, 0.20): 0.26,
    (0.50, 0.48, 0.46): 0.24,
    (0.15, 0.13, 0.13): 0.22,
    (0.62, 0.50, 0.36): 0.18,
    (0.36, 0.24, 0.17): 0.10,
}
CREAM, WHITE = (0.86, 0.78, 0.68), (0.93, 0.91, 0.87)
ORANGE, BLACK = (0.78, 0.44, 0.17), (0.13, 0.11, 0.11)
IRIS_TONES = {
    (0.76, 0.66, 0.16): 0.3,
    (0.36, 0.62, 0.26): 0.3,
    (0.35, 0.62, 0.80): 0.2,
    (0.80, 0.46, 0.11): 0.2,
}


@dataclass(frozen=True)
class CatShape:
    """Geometry of head and body."""

    width: float
    cheek: float
    muzzle: float
    nose_z: float
    ear_x: float
    ear_height: float
    ear_lean: float
    """Lean of the left ear outwards beyond that of the right one; never 0."""
    eye_x: float
    eye_y: float
    eye_radius: float
    eye_open: float
    eye_lower: float
    eye_tilt: float
    gaze_x: float
    """Gaze of both eyes to the subject's left, rad."""
    gaze_y: float
    smile: float
    body: float


@dataclass(frozen=True)
class CatPaint:
    """Coat, eyes and collar."""

    coat: CategoricalFactor
    fur: Triple
    marks: Triple
    """Colour of stripes, points and patches."""
    spot: Triple
    """Colour of the patch around one eye."""
    white: float
    """Whiteness of muzzle and chest, 0..1."""
    iris: Triple
    nose: Triple
    collar: Triple
    stripes: float
    """Stripes per head unit, over 2 pi."""
    phase: float
    pupil: float
    """Width of the slit, relative to its height."""
    spot_x: float
    """Place of the patch across the face; always off the middle."""
    spot_y: float
    spot_size: float
    blaze: float
    """Place of the white stripe on the nose; off the middle."""
    seed_x: float
    """Place of this cat in the pattern of patches."""
    seed_y: float


@dataclass(frozen=True)
class CatIdentity(Identity):
    """A cat."""

    shape: CatShape
    paint: CatPaint
    bell: float
    """Place of the bell on the collar, left or right of the middle."""


def sample_cat(rng: np.random.Generator, pose_bias: PoseBias = NO_POSE_BIAS) -> CatIdentity:
    """A random cat; mirror images are equally likely."""
    side = float(rng.choice([-1.0, 1.0]))
    light, shape = sample_light(rng), _sample_shape(rng, pose_bias, side)
    return CatIdentity(side, light, shape, _sample_paint(rng), sample_either_side(rng, 0.02, 0.05))


def _sample_shape(rng: np.random.Generator, pose_bias: PoseBias, side: float) -> CatShape:
    return CatShape(
        width=1 + sample_normal(rng, 0.04),
        cheek=1 + sample_normal(rng, 0.08),
        muzzle=1 + sample_normal(rng, 0.08),
        nose_z=sample_normal(rng, 0.008),
        ear_x=0.128 + sample_normal(rng, 0.008),
        ear_height=1 + sample_normal(rng, 0.10),
        ear_lean=sample_either_side(rng, 0.05, 0.16),
        eye_x=0.103 * (1 + sample_normal(rng, 0.04)),
        eye_y=0.035 + sample_normal(rng, 0.006),
        eye_radius=0.060 * (1 + sample_normal(rng, 0.06)),
        eye_open=0.76 + sample_normal(rng, 0.08),
        eye_lower=0.64 + sample_normal(rng, 0.08),
        eye_tilt=0.16 + sample_normal(rng, 0.05),
        gaze_x=0.10 * side * clip_score(pose_bias.gaze(float(rng.standard_normal()))),
        gaze_y=sample_normal(rng, 0.04),
        smile=0.010 + 0.006 * clip_score(pose_bias.smile(float(rng.standard_normal()))),
        body=1 + sample_normal(rng, 0.06),
    )


def _sample_paint(rng: np.random.Generator) -> CatPaint:
    coat = sample_categorical(rng, COATS)
    fur = np.asarray(sample_option(rng, FUR_TONES)) * (1 + 0.06 * rng.standard_normal())
    marks = fur * rng.uniform(0.30, 0.55)
    spot = fur * (1.9 if fur.max() < 0.3 else 0.55)
    white = float(rng.random() < 0.5) * rng.uniform(0.5, 1)
    if coat.is_("calico", "van"):
        fur, marks, spot, white = np.asarray(WHITE), np.asarray(BLACK), np.asarray(ORANGE), 0.0
    if coat.is_("siamese"):
        fur, marks, white = np.asarray(CREAM), np.asarray((0.25, 0.17, 0.13)), 0.0
        spot = fur * 0.8
    if coat.is_("tuxedo"):
        white = 1.0
    blue = coat.is_("siamese")
    return CatPaint(
        coat=coat,
        fur=clip_color(fur * (1 + 0.02 * rng.standard_normal(3))),
        marks=clip_color(marks),
        spot=clip_color(spot),
        white=white,
        iris=(0.35, 0.60, 0.82) if blue else sample_option(rng, IRIS_TONES),
        nose=clip_color(np.asarray((0.80, 0.48, 0.46)) * rng.uniform(0.5, 1.05)),
        collar=hsv(rng.random(), rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.9)),
        stripes=rng.uniform(32, 46),
        phase=rng.uniform(0, 6.28),
        pupil=rng.uniform(0.25, 0.65),
        spot_x=sample_either_side(rng, 0.08, 0.13),
        spot_y=rng.uniform(0.0, 0.10),
        spot_size=rng.uniform(0.06, 0.10),
        blaze=sample_either_side(rng, 0.006, 0.022),
        seed_x=rng.uniform(0, 6.28),
        seed_y=rng.uniform(0, 6.28),
    )
