"""Cameras from another program: it gets a folder of images and writes a table of cameras.

Images are handed over upright, in plain RGB and under numbers, so that the program needs to know
nothing of EXIF, of transparency or of odd names; its answers are joined by these names, never by
their order.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.cameras.table_file import SUFFIXES, read_camera_file
from mimic3d.preparation.gates import crop_side
from mimic3d.preparation.pose import PoseResult, Reject
from mimic3d.preparation.sources.given import GivenPoses

SHOWN_BYTES = 2000  # of the program's output, at its end
PLACEHOLDERS = ("{images}", "{output}")


@dataclass(frozen=True)
class ExternalPoses:
    """Cameras that the program wrote, by image id.

    Gates: those of `GivenPoses`, reprojection.
    """

    name = "external"

    table: CameraTable
    max_reprojection: float
    """Greatest residual, share of the crop's side."""

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The image's camera, of the crop."""
        pose = GivenPoses(self.table).estimate(image, image_id)
        if isinstance(pose, Reject):
            return pose
        share = pose.reproj_px / max(crop_side(pose.crop), 1e-9)
        if share > self.max_reprojection:
            return Reject("reprojection", share, self.max_reprojection)
        return pose


def check_output(name: str, key: str) -> None:
    """Raises ValueError unless the file is one of a known format."""
    if Path(name).suffix not in SUFFIXES:
        raise ValueError(f"{key} must end in {', '.join(SUFFIXES)}, is {name}; change it")


def check_command(command: str, key: str) -> None:
    """Raises ValueError unless the template can be split and names both placeholders."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{key} must be a command line, is {command!r}: {error}") from None
    for placeholder in PLACEHOLDERS:
        if not any(placeholder in word for word in words):
            raise ValueError(
                f"{key} must be a command with {' and '.join(PLACEHOLDERS)} in it, is {command!r}; "
                f"{PLACEHOLDERS[0]} becomes the folder of images, {PLACEHOLDERS[1]} the file"
            )


def run_command(command: str, images: Path, output: Path, timeout_s: float, key: str) -> None:
    """Runs the program, without a shell, until it has written the output.

    Raises:
        ValueError: It cannot be started, fails, takes too long or writes nothing; shows its words.
    """
    paths = {PLACEHOLDERS[0]: str(images.resolve()), PLACEHOLDERS[1]: str(output.resolve())}
    words = [_fill(word, paths) for word in shlex.split(command)]
    errors = output.with_name("stderr.txt")
    with errors.open("wb") as log:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ValueError(
                f"{key} must be a program that can be started, {words[0]} cannot: {error.strerror}"
            ) from None
        code = _wait(process, timeout_s)
    if code is None:
        raise ValueError(f"{key} must end within {timeout_s:g} s, did not{_output_tail(errors)}")
    if code != 0:
        raise ValueError(
            f"{key} must end with exit code 0, ended with {code}{_output_tail(errors)}"
        )
    if not output.is_file():
        raise ValueError(f"{key} must write {{output}}, did not{_output_tail(errors)}")


def read_program_cameras(output: Path, image_ids: Mapping[str, str]) -> CameraTable:
    """The program's cameras under our image ids, by the names of the files it was given.

    Raises:
        ValueError: The table is broken, or names a file that was not given.
    """
    table = read_camera_file(output.read_bytes(), str(output))
    stems = {Path(name).stem: image_id for name, image_id in image_ids.items()}
    names = []
    for name in table.images:
        image_id = image_ids.get(name) or stems.get(name) or image_ids.get(Path(name).name)
        if image_id is None:
            raise ValueError(f"{output} must name the images it was given, names {name}")
        names.append(image_id)
    if len(set(names)) < len(names):
        raise ValueError(f"{output} must have one row per image, has several for one")
    return table.rename(names)


def _fill(word: str, paths: Mapping[str, str]) -> str:
    for placeholder, path in paths.items():
        word = word.replace(placeholder, path)
    return word


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """The exit code; None if the time was up, after the end of the program and its children."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _output_tail(path: Path) -> str:
    tail = path.read_bytes()[-SHOWN_BYTES:].decode("utf-8", "replace").strip()
    return f"; it said:\n{tail}" if tail else " and said nothing"
