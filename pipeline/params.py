"""Sections of params.yaml as typed parameters; every error carries its full key."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from mimic3d.config import Config
from pipeline.yaml_file import explain, load_yaml

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
        raise explain(error, kind, FILE, [stage]) from None


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


def list_sections(root: Path) -> list[str]:
    """Stages that params.yaml has a section for, in its order.

    Raises:
        ValueError: there is no such file, or it is no valid YAML.
    """
    sections = load_yaml(root / FILE, "run this in the project folder")
    return list(sections) if isinstance(sections, dict) else []


def load_section(stage: str, root: Path) -> dict[str, Any]:
    """Section of a stage as it stands in params.yaml, unchecked.

    Raises:
        ValueError: there is no such file or section, or it is no valid YAML.
    """
    sections = load_yaml(root / FILE, "run this in the project folder")
    if not isinstance(sections, dict) or stage not in sections:
        raise ValueError(f"{FILE} must have a section {stage}; add `{stage}: {{}}` for defaults")
    section = sections[stage]
    if not isinstance(section, dict):
        raise ValueError(
            f"{stage} in {FILE} must be a group of parameters, is {section!r}; "
            f"write `{stage}: {{}}` for defaults"
        )
    return section
