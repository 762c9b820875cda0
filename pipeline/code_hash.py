"""Hash of the code that a stage imports, which comments, docstrings and formatting do not change.

Imports are found by reading them, so nothing is executed and nothing else is needed; an import
within a function counts. Pythons differ in their syntax trees (3.12 has `type_params`, and cuts
f-strings into other pieces): empty fields are left out, and pieces of a string are joined.
"""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mimic3d.content_hash import text_hash

PACKAGES = ("mimic3d", "stages")
"""Packages that can change a result; `pipeline`, where and how a stage runs, cannot."""
FOLDER = Path(__file__).parents[1]
"""Folder of the packages of this process."""
_SILENT_FIELDS = ("ctx", "kind", "type_comment")


def hash_modules(
    entries: Iterable[str], ignored: tuple[str, ...] = (), folder: Path = FOLDER
) -> dict[str, str]:
    """Hash of each module that these import, and of themselves, by name.

    Modules and packages that are `ignored` count neither themselves nor by what only they import.

    Raises:
        ValueError: a file is no Python, such as one that is being edited.
    """
    hashes: dict[str, str] = {}
    waiting = [part for entry in entries for part in _with_packages(entry)]
    while waiting:
        module = waiting.pop()
        path = None if module in hashes else _file_of(module, folder)
        if path is None or _is_below(module, ignored):
            continue
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except SyntaxError as error:
            raise ValueError(
                f"{path} must be valid Python, line {error.lineno} is not ({error.msg}); mend it"
            ) from None
        hashes[module] = hash_syntax(tree)
        is_package = path.name == "__init__.py"
        waiting += [part for each in _imports(tree, module, is_package) for part in each]
    return dict(sorted(hashes.items()))


def join_hashes(hashes: Mapping[str, str]) -> str:
    """One SHA-256 of modules and their hashes."""
    return text_hash(json.dumps(hashes, sort_keys=True))


def changed_modules(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Modules whose meaning differs, or that only one of the two has."""
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def hash_syntax(tree: ast.AST) -> str:
    """SHA-256 of a syntax tree without positions, docstrings and other texts that stand alone."""
    text = json.dumps(_plain(tree), separators=(",", ":"))
    return text_hash(text)


def _plain(node: object) -> object:
    """A syntax tree as lists and strings."""
    if isinstance(node, list):
        return [_plain(each) for each in node if not _says_nothing(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.JoinedStr):
        fields["values"] = _join_texts(node.values)
    return [
        type(node).__name__,
        *(
            [name, _plain(value)]
            for name, value in fields.items()
            if name not in _SILENT_FIELDS and value is not None and value != []
        ),
    ]


def _says_nothing(node: object) -> bool:
    """True if it is a docstring, another constant that stands alone, or `pass`."""
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _join_texts(values: list[ast.expr]) -> list[ast.expr]:
    """Parts of an f-string, no two texts side by side and none of them empty."""
    joined: list[ast.expr] = []
    for value in values:
        last = joined[-1] if joined else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(str(last.value) + str(value.value))
        elif not isinstance(value, ast.Constant) or value.value:
            joined.append(value)
    return joined


def _imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[list[str]]:
    """Names that may be modules of ours, each with the packages above it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module, is_package)
            yield _with_packages(source)
            for alias in node.names:  # a module, or a name in one
                yield [f"{source}.{alias.name}"]


def _source(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that `from ... import` names, dots before it resolved."""
    if not node.level:
        return str(node.module)
    parts = module.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _with_packages(module: str) -> list[str]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _file_of(module: str, folder: Path) -> Path | None:
    """Source of a module of ours; None for others, and for names that are no modules."""
    if not _is_below(module, PACKAGES):
        return None
    base = folder.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)
