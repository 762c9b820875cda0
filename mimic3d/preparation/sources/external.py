"""The source `external`: another program finds the cameras of photos."""

import io
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from pydantic import Field, PositiveFloat

from mimic3d.parallel import count_workers, ordered_map
from mimic3d.preparation.gates import GatesConfig, check_source
from mimic3d.preparation.photos.container import open_container
from mimic3d.preparation.photos.photo import Colour, NoPhoto, open_photo
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.crop import Photo
from mimic3d.preparation.sources.external_program import (
    ExternalPoses,
    check_command,
    check_output,
    read_program_cameras,
    run_command,
)
from mimic3d.preparation.sources.given_cameras import GivenCameras
from mimic3d.preparation.sources.photo_set import PhotoRequest, PhotoSet, background_of, find_photos
from mimic3d.preparation.sources.plan import DatasetPlan
from mimic3d.preparation.sources.posed_set import PosedSetConfig, plan_posed

KEY = "prepare.external"
PLAIN_FORMATS = ("JPEG", "PNG")
ORIENTATION = 0x0112  # EXIF tag


class ExternalConfig(PosedSetConfig):
    """Photos whose cameras another program finds; it is run once over all of them."""

    command: str = ""
    """Command line with {images}, the folder of photos, and {output}, the file to write: a table of
    cameras as in `preparation/cameras/table_file.py`. No shell; relative to the project folder."""
    output: str = Field(default="cameras.csv", pattern=r"^[\w.-]+$")
    """Name of the file to write; its suffix says what it is: csv, parquet or json."""
    timeout_s: PositiveFloat = 86_400
    """Time after which the program is ended, s; our choice, a day."""
    max_reprojection: PositiveFloat = 0.05
    """Residual that the program states, reproj_px, share of the crop's side; more is rejected; as
    of landmarks."""


def check_external(cfg: ExternalConfig, raw: Path) -> PhotoSet:
    """The photos; raises ValueError for mistakes that need no program to be found."""
    check_command(cfg.command, f"{KEY}.command")
    check_output(cfg.output, f"{KEY}.output")
    return find_photos(cfg, raw, KEY)


def plan_external(
    cfg: ExternalConfig, raw: Path, request: PhotoRequest, workspace: Path
) -> DatasetPlan[Photo]:
    """Plan of one task per photo that the program found a camera for.

    Its output stays in `workspace`, so that a run that is started again does not ask again.

    Raises:
        ValueError: The program fails, or its table is broken.
    """
    photos = check_external(cfg, raw)
    written, refused = _write_photos(photos, request, cfg.white_back, workspace / "images")
    output = workspace / cfg.output
    if not output.is_file():
        tmp = workspace / "running"
        shutil.rmtree(tmp, ignore_errors=True)
        tmp.mkdir(parents=True)
        run_command(
            cfg.command, workspace / "images", tmp / cfg.output, cfg.timeout_s, f"{KEY}.command"
        )
        (tmp / cfg.output).replace(output)
    table = read_program_cameras(output, written)
    unanswered = [
        Rejected(name, Reject("no_answer", 0.0, 1.0))
        for name in written.values()
        if name not in table.rows
    ]
    cameras = GivenCameras(table, is_foreign=False, has_up=True, rejected=[*refused, *unanswered])
    build = partial(ExternalPoses, max_reprojection=cfg.max_reprojection)
    return plan_posed(cfg, KEY, photos, cameras, request, ExternalPoses.name, build, is_given=False)


@dataclass(frozen=True)
class _PhotoWriter:
    """Writes a photo where the program finds it: upright, RGB, under a number."""

    path: Path
    image_column: str
    gates: GatesConfig
    resolution: int
    background: Colour | None
    folder: Path

    def __call__(self, numbered: tuple[int, str]) -> str | Rejected:
        number, name = numbered
        try:
            photos = open_container(self.path, self.image_column)
            data = photos.read(name, self.gates.max_file_mib * 2**20)
            image = open_photo(data, self.gates.max_megapixels * 1e6, self.background)
        except NoPhoto as refusal:
            return Rejected(name, refusal.reject, refusal.detail)
        reject = check_source(image, self.resolution, self.gates)
        if reject is not None:
            return Rejected(name, reject)
        suffix = _plain_suffix(data)
        target = self.folder / f"{number:07d}{suffix or '.png'}"
        if suffix:
            target.write_bytes(data)
        else:
            image.save(target, compress_level=1)
        return target.name


def _write_photos(
    photos: PhotoSet, request: PhotoRequest, white_back: bool, folder: Path
) -> tuple[dict[str, str], list[Rejected]]:
    """Image ids by the names that the program sees, and photos that cannot be opened."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write = _PhotoWriter(
        photos.path,
        photos.cfg.image_column,
        request.gates,
        request.resolution,
        background_of(white_back, request.alpha),
        folder,
    )
    numbered = list(enumerate(photos.names))
    results = ordered_map(write, numbered, count_workers(len(numbered)))
    written, refused = {}, []
    for name, result in zip(photos.names, results, strict=True):
        if isinstance(result, Rejected):
            refused.append(result)
        else:
            written[result] = name
    return written, refused


def _plain_suffix(data: bytes) -> str | None:
    """The suffix of a file that any program reads as we do; None for all others."""
    try:
        with Image.open(io.BytesIO(data), formats=PLAIN_FORMATS) as image:
            turned = image.getexif().get(ORIENTATION, 1) != 1
            is_plain = image.mode == "RGB" and not turned and not image.has_transparency_data
            is_plain = is_plain and image.format in PLAIN_FORMATS  # some JPEG files hold several
            return f".{image.format}".lower() if is_plain else None
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None
