"""YAML files of the user: read as YAML 1.2, the dialect DVC writes; mistakes as sentences."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError


def load_yaml(path: Path, way_out: str) -> Any:
    """Content of a file.

    Raises:
        ValueError: there is none, with the way out, or it is no valid YAML.
    """
    try:
        return YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise ValueError(f"there is no {path.name} in {path.parent}; {way_out}") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = error.problem if isinstance(error, MarkedYAMLError) else one_line(error)
        line = f" line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path.name}{line} must be valid YAML: {problem}") from None


def one_line(error: object, limit: int = 300) -> str:
    """The message of an error without its line breaks, cut to `limit` characters."""
    return " ".join(str(error).split())[:limit]


def explain(
    error: ValidationError,
    kind: type[BaseModel],
    file: str,
    prefix: Sequence[str] = (),
    noun: str = "parameter",
) -> ValueError:
    """One line for each mistake in a section of a file: full key, rule, value found, way out.

    Args:
        error: What pydantic found wrong.
        kind: The type that the section does not fit.
        file: Name of the file.
        prefix: Keys above the section.
        noun: What a key of the file is called.
    """
    details = error.errors(include_url=False)
    return ValueError("\n".join(_sentence(each, kind, file, prefix, noun) for each in details))


def _sentence(
    detail: Any, kind: type[BaseModel], file: str, prefix: Sequence[str], noun: str
) -> str:
    loc: Sequence[int | str] = detail["loc"]
    fields = known_fields(kind, loc[:-1])
    name = str(loc[-1]) if loc else ""
    key = ".".join([*prefix, *map(str, _without_tags(kind, loc))])
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
        return f"{key} is no {noun} (its value is {detail['input']!r}); {hint}"
    if detail["type"] == "missing":
        return f"{key} must be given, it has no default; add it to {file}"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])  # of a validator, which knows its own fields only
        names_field = re.split(r"\W", message)[0] in known_fields(kind, loc)
        joint = "." if key and names_field else ": "
        return f"{key or file}{joint}{message}"
    rule = detail["msg"].removeprefix("Input should ")
    value = json.dumps(detail["input"], default=str)
    field = fields.get(name)
    meaning = f" ({one_line(field.description)})" if field and field.description else ""
    return f"{key} must {rule}, is {value}; change it in {file}{meaning}"


def known_fields(kind: type[BaseModel], loc: Sequence[int | str]) -> dict[str, FieldInfo]:
    """Fields of all the types that may stand at this place below `kind`."""
    kinds = [kind]
    for part in loc:
        step = [k.model_fields[part] for k in kinds if part in k.model_fields]
        kinds = [inner for field in step for inner in _models_in(field.annotation)] or kinds
    return {name: field for k in kinds for name, field in k.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _without_tags(kind: type[BaseModel], loc: Sequence[int | str]) -> list[int | str]:
    """The path without the names pydantic puts in for the members of a union."""
    path: list[int | str] = []
    for index, part in enumerate(loc):
        is_key = isinstance(part, int) or part in known_fields(kind, path) or part is loc[-1]
        if is_key or _is_mapping_at(kind, path, loc[:index]):
            path.append(part)
    return path


def _is_mapping_at(
    kind: type[BaseModel], path: Sequence[int | str], loc: Sequence[int | str]
) -> bool:
    """True if the value at this path is a mapping, whose keys are the user's own."""
    if not path or path[-1] != loc[-1]:
        return False
    field = known_fields(kind, path[:-1]).get(str(path[-1]))
    return bool(field) and getattr(field.annotation, "__origin__", None) is dict
