"""`--set KEY=VALUE` of commands whose parameters are a `Config` and stand in no params.yaml."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from mimic3d.config import Config

ConfigT = TypeVar("ConfigT", bound=Config)


def parse_config(kind: type[ConfigT], settings: Sequence[str], seed: int) -> ConfigT:
    """Parameters of a command, with its `--seed`.

    Raises:
        ValueError: there is no such parameter, or it cannot have this value.
    """
    tree: dict[str, Any] = kind().model_dump() | {"seed": seed}  # a group may have own defaults
    for setting in settings:
        key, equals, value = setting.partition("=")
        *groups, name = key.split(".")
        node: Any = tree
        for group in groups:
            node = node.get(group) if isinstance(node, dict) else None
        if not equals:
            raise ValueError(f"--set must be KEY=VALUE, like seed=3, is {setting}")
        if not isinstance(node, dict) or isinstance(node.get(name), dict):
            raise ValueError(f"--set must name one parameter of {kind.__name__}, is {setting}")
        node[name] = value
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"--set {key}: {first['msg'].lower()}, is {first['input']}") from None
