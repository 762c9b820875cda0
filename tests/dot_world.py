"""Photos and camera files of a small world of dots, and the dots triangulated from crops."""

import json
import math

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from mimic3d.data.images import decode_png
from mimic3d.preparation.lens import distort

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
