"""A whole page around its content: head, style, title."""

from mimic3d.html.markup import Html, tag
from mimic3d.html.style import STYLE


def document(title: str, style: str, *content: str) -> str:
    """An HTML page of one file, which loads nothing; `style` adds to that of all pages."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE + style)),
    )
    body = tag("body", tag("h1", title), *content)
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
