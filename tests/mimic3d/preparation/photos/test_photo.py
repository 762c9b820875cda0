import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from mimic3d.preparation.photos.photo import NoPhoto, check_bytes, decode_photo, open_photo

COLOUR = (200, 100, 50)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@pytest.fixture
def encode(photo_tools):
    return photo_tools[0]


def plain():
    return Image.new("RGB", (40, 32), COLOUR)


def gate_of(data, max_pixels=1e6):
    with pytest.raises(NoPhoto) as refusal:
        open_photo(data, max_pixels, BLACK)
    return refusal.value.reject


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("GIF", 0), ("JPEG", 3), ("WEBP", 5)],
)
def test_common_formats_are_read_whatever_the_file_is_called(encode, kind, tolerance):
    image = open_photo(encode(plain(), kind), 1e6, BLACK)
    assert (image.mode, image.size) == ("RGB", (40, 32))
    assert np.abs(np.array(image.getpixel((5, 5))) - COLOUR).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("L", "PNG", (124, 124, 124)),
        ("1", "PNG", (0, 0, 0)),
        ("P", "PNG", (204, 102, 51)),
        ("CMYK", "TIFF", COLOUR),
        ("CMYK", "JPEG", COLOUR),
        ("YCbCr", "TIFF", (199, 99, 49)),
    ],
)
def test_every_mode_of_colour_becomes_rgb(encode, mode, kind, expected):
    image = open_photo(encode(plain().convert(mode), kind), 1e6, BLACK)
    assert image.mode == "RGB"
    assert np.abs(np.array(image.getpixel((5, 5))) - expected).max() <= 3


@pytest.mark.parametrize(("stored", "shown"), [(0, 0), (65535, 255), (32768, 128), (40000, 156)])
def test_sixteen_bit_greys_are_scaled_not_cut(encode, stored, shown):
    grey = Image.fromarray(np.full((32, 40), stored, dtype=np.uint16))
    assert open_photo(encode(grey), 1e6, BLACK).getpixel((0, 0)) == (shown,) * 3


@pytest.mark.parametrize(
    ("background", "expected"), [(BLACK, (100, 50, 25)), (WHITE, (227, 177, 152)), (None, COLOUR)]
)
def test_transparent_parts_show_the_background_or_their_hidden_colour(encode, background, expected):
    image = plain()
    image.putalpha(128)
    pixel = open_photo(encode(image), 1e6, background).getpixel((0, 0))
    assert np.abs(np.array(pixel) - expected).max() <= 1


def test_a_transparent_palette_shows_the_background(encode):
    image = Image.new("P", (40, 32), 0)
    image.putpalette([9, 9, 9, 200, 100, 50])
    shown = open_photo(encode(image, transparency=0), 1e6, WHITE)
    assert shown.getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_as_their_exif_says(encode, orientation):
    upright = np.zeros((24, 40, 3), dtype=np.uint8)
    upright[:12, :20] = 255  # white in the upper left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    image = open_photo(data, 1e6, BLACK)
    np.testing.assert_array_equal(np.asarray(image), upright)


def test_a_photo_with_a_preview_is_a_photo(encode):
    data = encode(plain(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 32))])
    assert np.abs(np.array(open_photo(data, 1e6, BLACK).getpixel((0, 0))) - COLOUR).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_are_rejected_with_their_number_of_frames(encode, kind):
    data = encode(plain(), kind, save_all=True, append_images=[Image.new("RGB", (40, 32))])
    reject = gate_of(data)
    assert (reject.gate, reject.value) == ("animated", 2)


def test_too_many_pixels_are_rejected_by_the_header_alone(encode, photo_tools):
    claim_size = photo_tools[2]
    for side in (1001, 60_000, 2**31 - 1):  # above Pillow's own warning and error, too
        reject = gate_of(claim_size(encode(plain()), side, side))
        assert (reject.gate, reject.value) == ("max_pixels", float(side) ** 2)


def test_the_limit_of_pillow_is_left_as_it_was(encode):
    before = Image.MAX_IMAGE_PIXELS
    open_photo(encode(plain()), 1e6, BLACK)
    gate_of(b"no image")
    assert Image.MAX_IMAGE_PIXELS == before


def test_damaged_files_are_rejected_in_the_words_of_the_decoder(encode, photo_tools):
    jpeg = encode(photo_tools[1](), "JPEG")
    assert gate_of(b"").gate == "empty"
    for data in (jpeg[: len(jpeg) // 2], encode(plain())[:-30], b"\x89PNG\r\n\x1a\n", b"text"):
        assert gate_of(data).gate == "unreadable"
    with pytest.raises(NoPhoto) as refusal:
        open_photo(jpeg[: len(jpeg) // 2], 1e6, BLACK)
    assert "truncated" in refusal.value.detail


@pytest.mark.parametrize("mode", ["F", "I", "LAB"])
def test_numbers_that_are_no_colours_are_rejected(encode, mode):
    assert (
        gate_of(
            encode(plain().convert(mode) if mode != "LAB" else Image.new("LAB", (40, 32)), "TIFF")
        ).gate
        == "mode"
    )


def test_files_that_run_programs_are_not_opened(encode):
    assert gate_of(encode(plain(), "EPS")).gate == "unreadable"


def test_files_are_refused_by_size():
    check_bytes(10, 10)
    with pytest.raises(NoPhoto) as refusal:
        check_bytes(11, 10)
    assert refusal.value.reject.gate == "max_bytes"


def wide_profile():
    """A profile whose red and green are farther out than those of sRGB: sRGB's with moved columns.

    The columns of the matrix are s15Fixed16 numbers (ICC.1:2022, 10.31).
    """
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = {b"rXYZ": (0.6097, 0.3111, 0.0195), b"gXYZ": (0.2053, 0.6257, 0.0609)}  # Adobe RGB
    for number in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * number
        name, offset = bytes(data[entry : entry + 4]), int.from_bytes(data[entry + 4 : entry + 8])
        if name in columns:
            for axis, value in enumerate(columns[name]):
                place = offset + 8 + 4 * axis
                data[place : place + 4] = round(value * 65536).to_bytes(4, "big")
        if name == b"desc":  # its text is UTF-16; any other name than sRGB's
            size = int.from_bytes(data[entry + 8 : entry + 12])
            text = data[offset : offset + size].replace("sRGB".encode("utf-16-be"), b"\0W\0i\0d\0e")
            data[offset : offset + size] = text
    return bytes(data)


def linear(levels):
    """Light of sRGB numbers (IEC 61966-2-1)."""
    v = np.asarray(levels) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def in_srgb(levels):
    """The hand calculation of the profile above: its light, by matrices to XYZ D50 and back."""
    wide = np.array([[0.6097, 0.2053, 0.1431], [0.3111, 0.6257, 0.0606], [0.0195, 0.0609, 0.7141]])
    srgb = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    light = np.clip(np.linalg.solve(srgb, wide @ linear(levels)), 0, 1)
    v = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return 255 * v


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_numbers_under_a_wide_profile_become_those_of_srgb(kind, mode):
    if (kind, mode) == ("JPEG", "RGBA"):
        pytest.skip("JPEG has no alpha")
    buffer, more = io.BytesIO(), {"lossless": True} if kind == "WEBP" else {}
    plain().convert(mode).save(buffer, kind, icc_profile=wide_profile(), **more)
    pixel = open_photo(buffer.getvalue(), 1e6, BLACK).getpixel((5, 5))
    expected = in_srgb(COLOUR)
    assert np.abs(expected - COLOUR).max() > 15  # or the profile would not show
    assert np.abs(np.array(pixel) - expected).max() <= 3


def test_srgb_numbers_and_broken_profiles_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile", srgb[:200]):
        buffer = io.BytesIO()
        plain().save(buffer, "PNG", icc_profile=profile)
        opened = decode_photo(buffer.getvalue(), 1e6, BLACK)
        assert opened.profile == b""
        assert opened.image.getpixel((5, 5)) == COLOUR


def test_a_part_has_the_colours_of_the_whole():
    noise = np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG", icc_profile=wide_profile())
    opened = decode_photo(buffer.getvalue(), 1e6, BLACK)
    assert opened.colours.startswith("Wide")
    whole, part = opened.to_srgb(opened.image), opened.to_srgb(opened.image.crop((8, 8, 20, 20)))
    assert (np.asarray(whole.crop((8, 8, 20, 20))) == np.asarray(part)).all()


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif"])
def test_a_photo_of_a_phone_that_cannot_be_read_names_its_format(brand):
    data = b"\0\0\0\x18ftyp" + brand + b"\0" * 80
    code = "import sys; sys.modules['pillow_heif'] = None\n" + (
        "from mimic3d.preparation.photos.photo import NoPhoto, open_photo\n"
        f"try: open_photo({data!r}, 1e6, None)\n"
        "except NoPhoto as refusal: print(refusal.detail)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name = "AVIF" if brand == b"avif" else "HEIC"
    assert name in ended.stdout
    if name == "HEIC":
        assert "pip install 'mimic3d-open[heic]'" in ended.stdout


def test_heic_is_read_where_pillow_heif_is_installed():
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(plain()).save(buffer, quality=95)
    image = open_photo(buffer.getvalue(), 1e6, BLACK)
    assert image.size == (40, 32)
    assert np.abs(np.array(image.getpixel((5, 5))) - COLOUR).max() <= 4


def test_a_damaged_heic_is_called_damaged_where_pillow_heif_is_installed():
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(plain()).save(buffer, quality=95)
    with pytest.raises(NoPhoto) as refusal:
        open_photo(buffer.getvalue()[:40] + bytes(80), 1e6, BLACK)
    assert "HEIC" in refusal.value.detail
    assert "damaged" in refusal.value.detail
    assert "pip install" not in refusal.value.detail


def test_stored_pixels_stay_as_they_are_where_cameras_are_of_them():
    exif = Image.Exif()
    exif[0x112] = 6
    buffer = io.BytesIO()
    plain().save(buffer, "JPEG", exif=exif)
    assert decode_photo(buffer.getvalue(), 1e6, BLACK).image.size == (32, 40)
    assert decode_photo(buffer.getvalue(), 1e6, BLACK, is_turned=False).image.size == (40, 32)


def test_the_focal_length_is_that_of_the_file():
    exif = Image.Exif()
    exif[0x112] = 1
    exif.get_ifd(0x8769)[0x920A], exif.get_ifd(0x8769)[0xA405] = 4.25, 26
    for data, lengths in ((exif, (4.25, 26)), (Image.Exif(), (0, 0))):
        buffer = io.BytesIO()
        plain().save(buffer, "JPEG", exif=data)
        opened = decode_photo(buffer.getvalue(), 1e6, BLACK)
        assert (opened.focal_mm, opened.focal_35mm) == lengths


def stored_in_adobe_rgb(colour):
    """sRGB numbers as Adobe RGB (1998) stores them, by the specification's matrices (D65)."""
    srgb = np.array(colour) / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    from_srgb = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    to_adobe = [[2.0414, -0.5649, -0.3447], [-0.9693, 1.8760, 0.0416], [0.0134, -0.1184, 1.0154]]
    stored = np.clip(np.array(to_adobe) @ np.array(from_srgb) @ light, 0, 1) ** (256 / 563)
    return tuple(np.rint(255 * stored).astype(int).tolist())


@pytest.mark.parametrize("kind", ["JPEG"])  # DCF is of these files
@pytest.mark.parametrize("said_by", ["index", "space", "profile", "nothing"])
def test_adobe_rgb_is_known_by_exif_data_alone(kind, said_by):
    """Cameras name the space in the Interoperability index (DCF 2.0) and embed no profile."""
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    if said_by == "index":
        inner[0xA001] = 65535  # uncalibrated
        inner[0xA005] = {1: "R03", 2: b"0100"}
    elif said_by == "space":
        inner[0xA001] = 2
    elif said_by == "profile":  # the file's own word goes first
        inner[0xA001] = 2
    stored = stored_in_adobe_rgb(COLOUR)
    assert np.abs(np.array(stored) - COLOUR).max() > 10  # or it would not show
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more = {"icc_profile": srgb} if said_by == "profile" else {}
    buffer = io.BytesIO()
    Image.new("RGB", (40, 32), stored).save(buffer, kind, exif=exif, quality=95, **more)
    photo = decode_photo(buffer.getvalue(), 1e6, BLACK)
    seen = np.array(photo.to_srgb(photo.image).getpixel((5, 5)))
    is_converted = said_by in ("index", "space")
    assert np.abs(seen - (COLOUR if is_converted else stored)).max() <= 3
    assert (photo.colours == "Adobe RGB (1998)") == is_converted
