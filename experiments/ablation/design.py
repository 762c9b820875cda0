"""Types of rows.yaml and sizes/*.yaml: compared rows, claims of the paper, sizes."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError, model_validator
from ruamel.yaml import YAML

from mimic3d.config import Config
from mimic3d.metrics.protocol import Branch

FOLDER = Path(__file__).parent
SIZES = FOLDER / "sizes"

Values = dict[str, Any]
"""Parameters by their full keys."""


class Row(Config):
    """One variant of training."""

    title: str
    """Title in the head of a table."""
    about: str
    """Description of what is trained and what is evaluated, in a sentence."""
    taught: tuple[Branch, ...] = ("2d", "3d")
    """Branches that a loss teaches; what the other one renders means nothing and is not shown."""
    overrides: Values = Field(default_factory=dict)
    """Parameters that make the row."""


class Side(Config):
    """One branch of one row."""

    row: str
    branch: Branch

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, written: Any) -> Any:
        """Fields from `row/branch`."""
        if isinstance(written, str):
            row, _, branch = written.partition("/")
            return {"row": row, "branch": branch}
        return written

    def __str__(self) -> str:
        return f"{self.row}/{self.branch}"


class Claim(Config):
    """Claim of the paper, as one branch of a row that should measure better than another."""

    says: str
    """Statement in words close to the paper's."""
    source: str = "abstract"
    """Place in the paper."""
    better: Side
    worse: Side
    metrics: tuple[str, ...] = Field(min_length=1)
    """Metrics that each judge the claim, and say themselves whether small is good."""


class Design(Config):
    """Compared rows, and the claims of the paper about them."""

    rows: dict[str, Row] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _claims_are_about_rows(self) -> "Design":
        for claim in self.claims:
            for side in (claim.better, claim.worse):
                if side.row not in self.rows or side.branch not in self.rows[side.row].taught:
                    raise ValueError(
                        f"claims must be about branches that a row teaches, {side} is none; rows "
                        f"are {', '.join(self.rows)}"
                    )
        return self


class Size(Config):
    """Size of all rows."""

    about: str
    """Description of its purpose and duration, in a sentence."""
    concurrent: PositiveInt | None = None
    """Number of trainings at a time; null: one, or on a cluster as many as it has room for."""
    rows: dict[str, Values] = Field(default_factory=dict)
    """Parameters of single rows that depend on the size, such as a budget, by row."""
    params: dict[Literal["prepare", "pretrain", "imitate", "evaluate"], dict[str, Any]]
    """Content of a whole params.yaml."""


def load_design() -> Design:
    """Design of rows.yaml."""
    return Design.model_validate(_read(FOLDER / "rows.yaml"))


def load_size(name: str) -> Size:
    """Size of a file of sizes/.

    Raises:
        ValueError: there is no such size, or it has a mistake.
    """
    if name not in size_names():
        raise ValueError(f"--size must be one of {', '.join(size_names())}, is {name}")
    try:
        return Size.model_validate(_read(SIZES / f"{name}.yaml"))
    except ValidationError as error:
        raise ValueError(f"sizes/{name}.yaml: {error}") from None


def size_names() -> list[str]:
    """Names of all sizes."""
    return sorted(path.stem for path in SIZES.glob("*.yaml"))


def _read(path: Path) -> Any:
    return YAML(typ="safe").load(path)
