"""Sections of params.yaml as typed parameters; every error carries its full key."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mimic3d.config import Config

FILE = "params.yaml"

C = TypeVar("C", bound=Config)


def load_params(stage: str, kind: type[C], root: Path) -> C:
    """Section of a stage as its Config; YAML 1.2, the dialect DVC writes.

    Raises:
        ValueError: one line per mistake in the file, with the full key and the way out.
    """
    section = _complete(kind, load_section(stage, root))
    try:
        return kind.model_validate_json(json.dumps(section, default=str), strict=True)
    except ValidationError as error:
        lines = [_explain(stage, kind, detail) for detail in error.errors(include_url=False)]
        raise ValueError("\n".join(lines)) from None


def _complete(
    kind: type[Config], given: dict[str, Any], default: Config | None = None
) -> dict[str, Any]:
    """A group given in part, with the rest of the field's own default, not of its class's.

    `imitate.density: {num_points: 250}` keeps the distance of `imitate`, which is not that of
    `pretrain`.
    """
    complete = {} if default is None else default.model_dump(mode="json")
    for name, value in given.items():
        field = kind.model_fields.get(name)
        own = field.default if default is None and field else getattr(default, name, None)
        if isinstance(own, Config) and isinstance(value, dict):
            value = _complete(type(own), value, own)
        complete[name] = value
    return complete


def load_section(stage: str, root: Path) -> dict[str, Any]:
    """Section of a stage as it stands in params.yaml, unchecked.

    Raises:
        ValueError: there is no such file or section, or it is no valid YAML.
    """
    try:
        sections = YAML(typ="safe").load(root / FILE)
    except FileNotFoundError:
        raise ValueError(f"there is no {FILE} in {root}; run this in the project folder") from None
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        what = error.problem if isinstance(error, MarkedYAMLError) else str(error)
        line = f" line {where.line + 1}" if where else ""
        raise ValueError(f"{FILE}{line} must be valid YAML: {what}") from None
    if not isinstance(sections, dict) or stage not in sections:
        raise ValueError(f"{FILE} must have a section {stage}; add `{stage}: {{}}` for defaults")
    section = sections[stage]
    if not isinstance(section, dict):
        raise ValueError(
            f"{stage} in {FILE} must be a group of parameters, is {section!r}; "
            f"write `{stage}: {{}}` for defaults"
        )
    return section


def _explain(stage: str, kind: type[Config], detail: Any) -> str:
    """One sentence for one pydantic error: full key, rule, value found, way out."""
    loc: Sequence[int | str] = detail["loc"]
    fields = known_fields(kind, loc[:-1])
    name = str(loc[-1]) if loc else ""
    key = ".".join([stage, *map(str, _without_tags(kind, loc))])
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
        return f"{key} is no parameter (its value is {detail['input']!r}); {hint}"
    if detail["type"] == "missing":
        return f"{key} must be given, it has no default; add it to {FILE}"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])  # of a validator, which knows its own fields only
        about_field = re.split(r"\W", message)[0] in known_fields(kind, loc)
        return f"{key}{'.' if about_field else ': '}{message}"
    rule = detail["msg"].removeprefix("Input should ")
    found = json.dumps(detail["input"], default=str)
    field = fields.get(name)
    about = f" ({' '.join(field.description.split())})" if field and field.description else ""
    return f"{key} must {rule}, is {found}; change it in {FILE}{about}"


def known_fields(kind: type[Config], loc: Sequence[int | str]) -> dict[str, FieldInfo]:
    """Fields of all the Configs that may stand at this place below `kind`."""
    kinds = [kind]
    for part in loc:
        step = [k.model_fields[part] for k in kinds if part in k.model_fields]
        kinds = [inner for field in step for inner in _configs_in(field.annotation)] or kinds
    return {name: field for k in kinds for name, field in k.model_fields.items()}


def _configs_in(annotation: Any) -> Iterator[type[Config]]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
    for argument in get_args(annotation):
        yield from _configs_in(argument)


def _without_tags(kind: type[Config], loc: Sequence[int | str]) -> list[int | str]:
    """The path without the names pydantic puts in for the members of a union."""
    path: list[int | str] = []
    for part in loc:
        known = known_fields(kind, path)
        if isinstance(part, int) or part in known or part is loc[-1]:
            path.append(part)
    return path
