"""HTML elements whose text is always escaped, and pictures within the page."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

from PIL import Image

EMPTY = ("img", "meta")  # elements without an end
JPEG_QUALITY = 85


class Html(str):
    """Text that is markup already; any other text is escaped on its way into an element."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: str | float) -> Html:
    """An element; `class_` and `text_anchor` stand for the attributes class and text-anchor."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in EMPTY:
        return Html(f"<{name}{pairs}>")
    return Html(f"<{name}{pairs}>{join(content)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """The parts one after the other; those that are no markup escaped."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def section(title: str, *content: str) -> Html:
    """A part of the page under its own heading."""
    return tag("section", tag("h2", title), *content)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], class_: str = "") -> Html:
    """A table; without a head if that is empty."""
    lines = [tag("tr", *[tag("td", cell) for cell in row]) for row in rows]
    first = tag("thead", tag("tr", *[tag("th", cell) for cell in head])) if head else Html()
    return tag("table", first, tag("tbody", *lines), class_=class_)


def figure(picture: Html, *lines: str, class_: str = "") -> Html:
    """A picture above lines of text."""
    caption = tag("figcaption", *[tag("div", line) for line in lines if line])
    return tag("figure", picture, caption, class_=class_)


def fold(summary: str, *content: str) -> Html:
    """Content that opens at a click on its summary; on paper it is open."""
    return tag("details", tag("summary", summary), *content)


def embed(picture: Image.Image, text: str, lossless: bool = False) -> Html:
    """A picture within the page, as JPEG or as PNG; `text` stands for it where it is not seen."""
    buffer = io.BytesIO()
    kind = "png" if lossless else "jpeg"
    options = {"optimize": True} if lossless else {"quality": JPEG_QUALITY}
    picture.convert("RGB").save(buffer, kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = {"width": picture.width, "height": picture.height}
    return tag("img", src=f"data:image/{kind};base64,{data}", alt=text, **size)
