"""The two networks that find faces and their landmarks: where they are, and how to have them.

Google's BlazeFace (short range) and face mesh, Apache-2.0 as parts of MediaPipe. They ship inside
the wheel of mediapipe 0.10.21, which need not be installed (it pins old versions of much else):

    python -m mimic3d.preparation.poses.face_models [folder]

downloads that wheel from the package index pip is set up for, on any system, and keeps these two
files of it in the folder, cache/models if none is given. Where they are already nothing is
downloaded.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mimic3d.atomic import atomic_file
from mimic3d.content_hash import content_hash

FOLDER = Path("cache/models")
WHEEL = "mediapipe==0.10.21"  # the last one that holds them
TARGET = ("--platform=manylinux_2_28_x86_64", "--python-version=3.11", "--implementation=cp")
DETECTOR = "modules/face_detection/face_detection_short_range.tflite"
MESH = "modules/face_landmark/face_landmark.tflite"
SHA256 = {
    DETECTOR: "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    MESH: "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
}  # paths inside the package mediapipe


@dataclass(frozen=True)
class FaceModels:
    """Files in TensorFlow Lite's format."""

    detector: Path
    mesh: Path


def find_face_models(folder: Path) -> FaceModels:
    """The networks in a folder, or else those of an installed mediapipe 0.10.21.

    Raises:
        ValueError: They are in neither, or are other files than these.
    """
    return FaceModels(_find(folder, DETECTOR), _find(folder, MESH))


def fetch_face_models(folder: Path) -> FaceModels:
    """Networks in a folder; missing ones are taken out of the wheel and kept in the folder.

    Raises:
        ValueError: The wheel cannot be had, or a file is another one.
    """
    there = [member for member in SHA256 if _place(folder, member)]
    for member in there:
        _find(folder, member)  # says so of another file of this name
    if len(there) < len(SHA256):
        with tempfile.TemporaryDirectory() as temporary:
            with zipfile.ZipFile(_download_wheel(Path(temporary), folder)) as wheel:
                for member in SHA256:
                    if member in there:
                        continue
                    with atomic_file(folder / Path(member).name) as tmp:
                        tmp.write_bytes(wheel.read(f"mediapipe/{member}"))
    return find_face_models(folder)


def _place(folder: Path, member: str) -> Path | None:
    """Path of the file: in the folder, or unchanged in an installed mediapipe."""
    kept = folder / Path(member).name
    if kept.is_file():
        return kept
    package = importlib.util.find_spec("mediapipe")  # does not import it
    for root in package.submodule_search_locations or () if package else ():
        shipped = Path(root, member)
        if shipped.is_file() and content_hash(shipped) == SHA256[member]:
            return shipped
    return None


def _find(folder: Path, member: str) -> Path:
    place = _place(folder, member)
    if place is None:
        raise ValueError(
            f"finding faces needs {Path(member).name} in {folder}, it is not there; run "
            f"`python -m mimic3d.preparation.poses.face_models {folder}`, or {_by_hand(folder)}"
        )
    digest = content_hash(place)
    if digest != SHA256[member]:
        raise ValueError(
            f"the SHA-256 of {place} must be {SHA256[member]}, is {digest}; remove it, and "
            f"{_by_hand(folder)}"
        )
    return place


def _by_hand(folder: Path) -> str:
    members = " and ".join(f"mediapipe/{member}" for member in SHA256)
    return f"put {members} of the wheel {WHEEL} (pip download --no-deps; it is a zip) into {folder}"


def _download_wheel(to: Path, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", WHEEL, "--no-deps", "--only-binary=:all:"]
    ended = subprocess.run([*pip, *TARGET, f"--dest={to}"], capture_output=True, text=True)
    wheels = list(to.glob("*.whl"))
    if ended.returncode or len(wheels) != 1:
        why = (ended.stderr.strip() or "pip downloaded nothing").splitlines()[-1]
        raise ValueError(f"{WHEEL} could not be downloaded ({why}); {_by_hand(folder)}")
    return wheels[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Puts the networks into a folder and says where they are; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d face-models", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    try:
        models = fetch_face_models(parser.parse_args(arguments).folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(models.detector, models.mesh, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
