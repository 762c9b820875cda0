"""cluster.yaml: which Ray runs a stage, and what a stage asks of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.redaction import require_no_password

FILE = "cluster.yaml"
ADDRESS = "RAY_API_SERVER_ADDRESS"
LOCAL = "MIMIC3D_LOCAL_HEAD"
"""Set to 1 beside an address when that is a head of our own on this machine."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Workers(_Group):
    """What a stage asks of Ray."""

    num_workers: NonNegativeInt = 1
    """Processes; 0 runs the stage inside the job's own process, without Ray Train."""
    use_gpu: bool | Literal["auto"] = False
    """One GPU per worker; auto: if there are enough."""
    resources_per_worker: dict[str, float] = Field(default_factory=dict)
    """As in Ray's ScalingConfig; empty: an equal share of this machine, elsewhere Ray's default."""


class Settings(_Group):
    """Our part of cluster.yaml: metadata.pipeline."""

    address: str | None = None
    tracking_uri: str | None = None
    python: str | None = None
    stages: dict[str, Workers] = Field(default_factory=dict)
    local: dict[str, Workers] = Field(default_factory=dict)

    def workers_of(self, stage: str, is_local: bool) -> Workers:
        """The row of a stage: of this machine, or of the cluster."""
        table, name = (self.local, "local") if is_local else (self.stages, "stages")
        if stage not in table:
            raise ValueError(
                f"metadata.pipeline.{name} in {FILE} must have a row for {stage}, has "
                f"{', '.join(table) or 'none'}; add `{stage}: {{num_workers: 1}}`"
            )
        return table[stage]


@dataclass(frozen=True)
class Address:
    """Jobs URL of a Ray that runs already, and how it was found."""

    url: str
    source: str
    is_local: bool


def load_settings(root: Path) -> Settings:
    """metadata.pipeline of cluster.yaml.

    Raises:
        ValueError: one line per mistake, with the full key.
    """
    try:
        content = YAML(typ="safe").load(root / FILE)
        section = content["metadata"]["pipeline"]
    except FileNotFoundError:
        raise ValueError(f"there is no {FILE} in {root}; run this in the project folder") from None
    except YAMLError as error:
        what = " ".join(str(error).split())
        raise ValueError(f"{FILE} must be valid YAML: {what}") from None
    except (KeyError, TypeError):
        raise ValueError(
            f"{FILE} must have a group metadata.pipeline; see the one in git"
        ) from None
    try:
        return Settings.model_validate(section)
    except ValidationError as error:
        lines = [
            f"metadata.pipeline.{'.'.join(map(str, detail['loc']))} in {FILE}: {detail['msg']}, "
            f"is {detail['input']!r}"
            for detail in error.errors()
        ]
        raise ValueError("\n".join(lines)) from None


def find_address(settings: Settings, environ: Mapping[str, str]) -> Address | None:
    """The Ray to use: that of the environment, else that of cluster.yaml, else none."""
    if url := environ.get(ADDRESS):
        is_local = environ.get(LOCAL) == "1"
        source = "the head of this reproduction" if is_local else ADDRESS
        return Address(url, source, is_local)
    if settings.address:
        return Address(settings.address, FILE, is_local=False)
    return None


def tracking_uri(settings: Settings, root: Path, environ: Mapping[str, str]) -> str:
    """MLflow store: of the environment, else of cluster.yaml, else mlflow.db in the project.

    Raises:
        ValueError: it holds a password, which everybody on the cluster could read.
    """
    for uri, key in (
        (environ.get("MLFLOW_TRACKING_URI"), "MLFLOW_TRACKING_URI"),
        (settings.tracking_uri, f"metadata.pipeline.tracking_uri in {FILE}"),
    ):
        if uri:
            require_no_password(uri, key)
            return uri
    return f"sqlite:///{root / 'mlflow.db'}"


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
