"""JSON that others wrote."""

import json
from typing import Any


def read_json(data: bytes, path: str) -> Any:
    """The contents of a file; `path` is what errors call it.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
