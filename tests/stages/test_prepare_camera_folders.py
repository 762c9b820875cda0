"""Camera folders as tools write them: dots of a small world, triangulated from finished crops."""

import json
import math
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from mimic3d.data.images import decode_png
from mimic3d.preparation.lens import distort
from mimic3d.preparation.pose import Distortion
from mimic3d.preparation.sources.given import GivenConfig
from stages.prepare import PrepareConfig, check

NUM, WIDTH, HEIGHT = 12, 192, 150
FOCAL, CENTER = (260.0, 262.0), (100.0, 72.0)
DOTS = np.array([[0.45, 0.17, 0.2], [-0.4, 0.35, 0.15], [0.1, -0.45, 0.25], [0, 0.5, -0.2]])
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])
OPENGL = np.diag([1.0, -1, -1, 1])
Y_UP_TO_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
MAX_RESIDUAL = 0.005  # of the crop


def poses():
    """Camera to world, OpenCV axes, y up, looking at the origin."""
    rng = np.random.default_rng(0)
    matrices = []
    for yaw in np.linspace(-0.6, 0.6, NUM):
        pitch = rng.uniform(-0.2, 0.3)
        away = [math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]
        forward = -np.array(away)
        right = np.cross(forward, [0, 1, 0])
        right /= np.linalg.norm(right)
        matrix = np.eye(4)
        matrix[:3] = np.stack([right, np.cross(forward, right), forward, -2.7 * forward], axis=1)
        matrices.append(matrix)
    return matrices


def photo(pose, distortion=None, scale=1):
    width, height = WIDTH // scale, HEIGHT // scale
    pixels = np.full((height, width, 3), 110.0)
    rows, columns = np.mgrid[:height, :width] + 0.5
    for dot, color in zip(DOTS, COLORS, strict=True):
        local = pose[:3, :3].T @ (dot - pose[:3, 3])
        direction = (local[:2] / local[2])[None]
        if distortion is not None:
            direction = distort(distortion, direction)
        x, y = (direction[0] * FOCAL + CENTER) / scale
        weight = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (width / 60) ** 2))
        pixels += weight[..., None] * (color - pixels)
    return Image.fromarray(pixels.round().astype(np.uint8))


def colmap(folder, distortion=None, camera="", sub="sparse/0", images="images", numbers=range(NUM)):
    (folder / sub).mkdir(parents=True, exist_ok=True)
    (folder / images).mkdir(parents=True, exist_ok=True)
    lines = []
    for index in numbers:
        pose, name = poses()[index], f"{index:04d}.png"
        photo(pose, distortion).save(folder / images / name)
        to_camera = np.linalg.inv(OPENGL @ pose)
        x, y, z, w = Rotation.from_matrix(to_camera[:3, :3]).as_quat()
        words = " ".join(repr(float(value)) for value in (w, x, y, z, *to_camera[:3, 3]))
        lines.append(f"{index + 1} {words} 1 {name}\n\n")
    pinhole = f"PINHOLE {WIDTH} {HEIGHT} {FOCAL[0]} {FOCAL[1]} {CENTER[0]} {CENTER[1]}"
    (folder / sub / "images.txt").write_text("".join(lines))
    (folder / sub / "cameras.txt").write_text(f"1 {camera or pinhole}\n")


def transforms(folder, numbers=range(NUM), name="images/{:04d}.png", distortion=None):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    frames = []
    for index in numbers:
        photo(poses()[index], distortion).save(folder / f"images/{index:04d}.png")
        matrix = (Y_UP_TO_Z_UP @ poses()[index] @ OPENGL).tolist()
        frames.append({"file_path": name.format(index), "transform_matrix": matrix})
    lens = {"fl_x": FOCAL[0], "fl_y": FOCAL[1], "cx": CENTER[0], "cy": CENTER[1]}
    return {**lens, "w": WIDTH, "h": HEIGHT, "frames": frames}


def write(path, content):
    path.write_text(json.dumps(content))


def residual(rows):
    """Of the dots, triangulated from crops and their cameras: share of the crop's side."""
    return triangulate(rows)[1]


def size_error(rows):
    """Of the distances between the dots: radial distortion of an orbit makes objects smaller."""
    points = triangulate(rows)[0]
    measured, true = (np.linalg.norm(p[:, None] - p, axis=-1).sum() for p in (points, DOTS))
    return abs(measured / true - 1)


def triangulate(rows):
    errors, points = [], []
    cameras = [
        (np.reshape(row["cam2world"], (4, 4)), np.reshape(row["intrinsics"], (3, 3)))
        for row in rows.values()
    ]
    places = [dots_in(decode_png(row["image"]["bytes"])) for row in rows.values()]
    for dot in range(len(DOTS)):
        equations = []
        for place, (pose, lens) in zip(places, cameras, strict=True):
            projection = lens @ np.linalg.inv(pose)[:3]
            equations += [place[dot][axis] * projection[2] - projection[axis] for axis in (0, 1)]
        point = np.linalg.svd(np.array(equations))[2][-1]
        point = point[:3] / point[3]
        points.append(point)
        for place, (pose, lens) in zip(places, cameras, strict=True):
            local = pose[:3, :3].T @ (point - pose[:3, 3])
            errors.append(np.linalg.norm((lens @ (local / local[2]))[:2] - place[dot]))
    return np.array(points), float(np.sqrt(np.mean(np.square(errors))))


def dots_in(pixels):
    """Middles of the dots by colour, shares of the side."""
    rows, columns = np.mgrid[: len(pixels), : len(pixels)] + 0.5
    middles = []
    for color in COLORS:
        direction = color / 255 - 0.43
        along = (pixels - 110.0) @ (direction / np.linalg.norm(direction))
        strength = np.linalg.norm(pixels - 110.0, axis=2)
        weight = np.where((along / (strength + 1e-6) > 0.95) & (along > 60), along, 0)
        middles.append([(weight * columns).sum(), (weight * rows).sum()] / weight.sum())
    return np.array(middles) / len(pixels)


@pytest.fixture
def prepare(studio, tmp_path):
    """Prepares data/raw/d; gives the manifest, rows and rejects."""

    def run(resolution=128, **given):
        config = GivenConfig(**{"path": "d"} | given)
        return studio.prepare(tmp_path, "given", resolution, given=config)

    return run


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "data" / "raw" / "d"
    path.mkdir(parents=True)
    return path


LENSES = {
    "SIMPLE_RADIAL": ((-0.6,), Distortion(radial=(-0.6, 0, 0, 0))),
    "OPENCV": (
        (0.9, -0.05, 0.002, -0.003),
        Distortion("perspective", (0.9, -0.05, 0, 0), (0.002, -0.003)),
    ),
    "OPENCV_FISHEYE": ((-0.5, 0.1, 0, 0), Distortion("fisheye", (-0.5, 0.1, 0, 0))),
}


@pytest.mark.parametrize("model", LENSES)
def test_a_distorted_reconstruction_is_undistorted(folder, prepare, model):
    coefficients, distortion = LENSES[model]
    focal = FOCAL if model != "SIMPLE_RADIAL" else FOCAL[:1]
    words = " ".join(map(str, (*focal, *CENTER, *coefficients)))
    colmap(folder, distortion, f"{model} {WIDTH} {HEIGHT} {words}")
    _, rows, rejected = prepare()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL
    assert size_error(rows) < 0.005
    colmap(folder, distortion)  # as if the lens were a pinhole
    _, rows, _ = prepare()
    assert size_error(rows) > 0.015


def test_folders_beside_the_images_are_left_alone_or_chosen(folder, prepare):
    colmap(folder)
    for name, scale in (("images_2", 2), ("masks", 1)):
        (folder / name).mkdir()
        for index, pose in enumerate(poses()):
            photo(pose, scale=scale).save(folder / name / f"{index:04d}.png")
    _, rows, rejected = prepare()
    assert (len(rows), rejected) == (NUM, {})
    assert all(name.startswith("images/") for name in rows)
    small = prepare(64, images="images_2")[1]
    assert all(name.startswith("images_2/") for name in small)
    assert residual(small) < MAX_RESIDUAL


def test_of_several_models_the_largest_is_read_and_said_so(folder, prepare):
    colmap(folder, sub="sparse/0", numbers=(0,))
    colmap(folder, sub="sparse/1", numbers=range(1, NUM), images="photos")
    (folder / "images/0000.png").rename(folder / "photos/0000.png")
    manifest, rows, rejected = prepare()
    assert len(rows) == NUM - 1
    assert rejected == {"photos/0000.png": "no_camera"}
    assert "of 2 sparse models the largest is read, sparse/1" in " ".join(manifest.notes)
    assert any("EXIF" in note for note in manifest.notes)


@pytest.mark.parametrize("kind", ["transforms", "colmap", "table", "labels"])
def test_images_without_camera_and_cameras_without_image_are_listed(folder, prepare, kind):
    """Three sources, one behaviour."""
    if kind == "colmap":
        colmap(folder)
    content = transforms(folder)
    lens = [
        FOCAL[0] / WIDTH,
        0,
        CENTER[0] / WIDTH,
        0,
        FOCAL[1] / HEIGHT,
        CENTER[1] / HEIGHT,
        0,
        0,
        1,
    ]
    rows = [
        {"image": f"images/{index:04d}.png", "cam2world": pose.ravel().tolist(), "intrinsics": lens}
        for index, pose in enumerate(poses())
    ]
    if kind == "transforms":
        write(folder / "transforms.json", content)
    if kind == "table":
        write(folder / "cameras.json", rows)
    if kind == "labels":
        labels = [[row["image"], row["cam2world"] + row["intrinsics"]] for row in rows]
        write(folder / "dataset.json", {"labels": labels})
    (folder / "images/0003.png").unlink()
    photo(poses()[5]).save(folder / "images/extra.png")
    missing = "0003.png" if kind == "colmap" else "images/0003.png"
    given = {"cameras": "cameras.json"} if kind == "table" else {}
    _, kept, rejected = prepare(**given)
    assert len(kept) == NUM - 1
    assert rejected == {missing: "no_image", "images/extra.png": "no_camera"}


@pytest.mark.parametrize(
    "name", ["images\\{:04d}.png", "../d/images/{:04d}.png", "/home/ann/d/images/{:04d}.png"]
)
def test_names_of_other_systems_are_found(folder, prepare, name):
    write(folder / "transforms.json", transforms(folder, name=name))
    _, rows, rejected = prepare()
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL


def test_files_of_splits_are_read_together(folder, prepare):
    for split, numbers in (("train", range(10)), ("val", (10,)), ("test", (11,))):
        write(folder / f"transforms_{split}.json", transforms(folder, numbers))
    manifest, rows, _ = prepare()
    assert len(rows) == NUM
    assert (manifest.counts["train"], manifest.counts["val"]) == (10, 2)


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_zip_with_one_top_folder_is_read(folder, prepare, separator):
    write(folder / "transforms.json", transforms(folder))
    with zipfile.ZipFile(folder.parent / "scene.zip", "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            name = separator.join(("inner", *path.relative_to(folder).parts))
            archive.writestr(name, path.read_bytes())
            archive.writestr(f"__MACOSX{separator}{name}", b"ghost")
    _, rows, rejected = prepare(path="scene.zip")
    assert (len(rows), rejected) == (NUM, {})
    assert residual(rows) < MAX_RESIDUAL


def mirrored_dataset(folder, names, num_copies=NUM):
    """Square photos with labels of EG3D, and their mirrored copies under other names."""
    labels, flip = [], np.diag([-1.0, 1, 1, 1])
    lens = [FOCAL[0] / 100, 0, 0.5, 0, FOCAL[1] / 100, 0.5, 0, 0, 1]
    for index, pose in enumerate(poses()):
        image = photo(pose).crop((50, 22, 150, 122))
        for name, one, matrix in (
            (names[0], image, pose),
            (names[1], image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), flip @ pose @ flip),
        ):
            if name is names[1] and index >= num_copies:
                continue
            path = folder / name.format(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            one.resize((128, 128)).save(path)
            labels.append([name.format(index), matrix.ravel().tolist() + lens])
    write(folder / "dataset.json", {"labels": labels})


@pytest.mark.parametrize(
    "names", [("{:02d}.png", "{:02d}_mirror.png"), ("a/{:02d}.png", "b/x{:02d}.png")]
)
def test_mirrored_copies_share_a_split_and_count_once(folder, studio, tmp_path, names):
    """Whether their names say so, or cameras and pixels alone."""
    mirrored_dataset(folder, names)
    given = GivenConfig(path="d", val_share=0.25)
    manifest, rows, _ = studio.prepare(tmp_path, "given", 64, given=given)
    assert len(rows) == 2 * NUM
    assert manifest.counts["val"] == 2 * 3
    assert not manifest.mirror
    assert "mirror is off" in " ".join(manifest.notes)


def test_some_mirrored_copies_are_left_out(folder, prepare):
    mirrored_dataset(folder, ("{:02d}.png", "{:02d}_mirror.png"), num_copies=3)
    manifest, rows, rejected = prepare()
    assert (len(rows), manifest.mirror) == (NUM, True)
    assert rejected == {f"{index:02d}_mirror.png": "mirrored_copy" for index in range(3)}


def test_rotations_up_to_one_percent_off_are_repaired_and_counted(folder, prepare):
    mirrored_dataset(folder, ("{:02d}.png", ""), num_copies=0)
    content = json.loads((folder / "dataset.json").read_text())
    content["labels"][0][1][0] *= 1.004
    content["labels"][1][1][0] *= 1.1
    write(folder / "dataset.json", content)
    manifest, rows, rejected = prepare()
    assert rejected == {"01.png": "determinant"}
    assert "1 rotations that were off" in " ".join(manifest.notes)
    rotation = np.reshape(rows["00.png"]["cam2world"], (4, 4))[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_mistakes_of_camera_folders_are_one_sentence(folder, tmp_path):
    photo(poses()[0]).save(folder / "0.png")

    def refused(message, **given):
        config = PrepareConfig(source="given", given=GivenConfig(path="d", **given))
        with pytest.raises(ValueError, match=message):
            check(config, tmp_path)

    write(folder / "transforms.json", {"fl_x": 5, "frames": [{"file_path": "9.png"}]})
    refused("gives none of an image that is there .1 of others; the first is 9.png.")
    refused("given.images must be a folder of images in .*, images_8 holds none", images="images_8")
    refused(
        "given.cameras must be a file of cameras in .*, poses.json is none", cameras="poses.json"
    )
    (folder / "transforms.json").unlink()
    (folder / "sparse").mkdir()
    for name in ("cameras", "images"):
        (folder / f"sparse/{name}.bin").write_bytes(bytes(8))
    refused("must be a COLMAP model, text or binary, that names at least one image")
