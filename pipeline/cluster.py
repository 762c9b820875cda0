"""cluster.yaml: which Ray runs a stage, and what a stage asks of it."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from mimic3d.config import Config
from pipeline.project import ProjectPaths
from pipeline.redaction import require_no_password
from pipeline.yaml_file import explain, load_yaml

FILE = "cluster.yaml"
PREFIX = ("metadata", "pipeline")
NODE_TYPES = "available_node_types"  # a key of Ray's own
ADDRESS = "RAY_API_SERVER_ADDRESS"
LOCAL = "MIMIC3D_LOCAL_HEAD"
"""Variable that is 1 beside an address when that is a head of our own on this machine."""


NodeType = Mapping[str, float]
"""Resources of a machine, by the names that Ray gives them."""


class _Group(Config):
    model_config = ConfigDict(strict=True)


class Workers(_Group):
    """Resources that a stage asks of Ray: machines, and a share of each."""

    machines: NonNegativeInt = 1
    """Machines that work together; 0: the job's own process does it all, without Ray Train."""
    gpus: NonNegativeInt | Literal["auto"] = 0
    """GPUs of each machine, one process on each; auto: one per process if there are enough."""
    processes: PositiveInt | Literal["auto"] = 1
    """Processes on each machine when `gpus` does not say it; auto, on this machine alone: one per
    GPU, else one per core, as many as divide a stage's batch."""
    cpus: PositiveFloat | None = None
    """Cores of each machine, shared evenly by its processes; null: all of this machine, elsewhere
    one per process."""
    memory_gb: PositiveFloat | None = None
    """Memory of each machine that Ray sets aside, 10^9 bytes, shared evenly by its processes; Ray
    only keeps count of it. null: none."""
    retries: NonNegativeInt = 3
    """Restarts from the last state when a process or a machine died; errors of a stage end it.
    Those after an attempt that got further are not counted."""
    pause_seconds: NonNegativeFloat = 5.0
    """Pause before a restart that counts; doubles with each of these in a row, to five minutes."""
    grace_seconds: PositiveFloat = 30.0
    """Time from SIGTERM to the end of a process that could not save its state in this time."""

    @model_validator(mode="after")
    def _one_process_per_gpu(self) -> "Workers":
        if (
            isinstance(self.gpus, int)
            and self.gpus
            and self.processes not in (1, "auto", self.gpus)
        ):
            raise ValueError(
                f"processes must be gpus = {self.gpus}, one on each, is {self.processes}; leave "
                f"processes out"
            )
        return self

    @property
    def per_machine(self) -> int:
        """Processes on each machine."""
        if isinstance(self.gpus, int) and self.gpus:
            return self.gpus
        return 1 if self.processes == "auto" else self.processes

    @property
    def num_workers(self) -> int:
        """Processes on all machines; 0: the job's own."""
        return self.machines * self.per_machine

    def with_processes(self, num: int) -> "Workers":
        """These workers with the number that `auto` turned out to be."""
        return self.model_copy(update={"processes": num}) if self.processes == "auto" else self

    def one_process(self) -> "Workers":
        """These workers for a single process, which has the share of any one of them."""
        return self.model_copy(
            update={
                "machines": 1,
                "processes": 1,
                "gpus": self.gpus if self.gpus == "auto" else min(1, self.gpus),
                "cpus": self.cpus and self.cpus / self.per_machine,
                "memory_gb": self.memory_gb and self.memory_gb / self.per_machine,
            }
        )

    @property
    def min_cpus(self) -> int:
        """Cores that a head on this machine must offer, whether there are as many or not."""
        return math.ceil(max(self.num_workers, self.cpus or 0))


class Settings(_Group):
    """Our part of cluster.yaml: metadata.pipeline."""

    address: str | None = None
    """Jobs URL of a running cluster; null: a head on this machine."""
    storage: str | None = None
    """URL (fsspec: s3://, gs://, file://) through which inputs and outputs travel to a cluster that
    does not see this folder, and only this checkout's; null: it sees it under the same path."""
    scratch: str | None = None
    """Folder on each machine for inputs and state, with `storage`; null: the temporary one."""
    tracking_uri: str | None = None
    """MLflow store; null: mlflow.db in this folder."""
    python: str | None = None
    """Python of the cluster's machines; null: the one that submits."""
    stages: dict[str, Workers] = Field(default_factory=dict)
    local: dict[str, Workers] = Field(default_factory=dict)

    def workers_of(self, stage: str, is_local: bool) -> Workers:
        """The row of a stage: of this machine, or of the cluster; without one, one process."""
        workers = (self.local if is_local else self.stages).get(stage, Workers())
        if workers.processes == "auto" and not is_local:
            raise ValueError(
                f"metadata.pipeline.stages.{stage}.processes in {FILE} must be a number, is auto, "
                f"which knows this machine only; write one"
            )
        return workers


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
    content = load_yaml(root / FILE, "run this in the project folder")
    try:
        section = content["metadata"]["pipeline"]
    except (KeyError, TypeError):
        raise ValueError(
            f"{FILE} must have a group metadata.pipeline; see the one in git"
        ) from None
    try:
        return Settings.model_validate(section)
    except ValidationError as error:
        raise explain(error, Settings, FILE, PREFIX, f"key of {FILE}") from None


def load_node_types(root: Path) -> list[NodeType] | None:
    """Resources of the machines that a cluster can add; None if cluster.yaml does not say all."""
    types = (load_yaml(root / FILE, "run this in the project folder") or {}).get(NODE_TYPES)
    if not types or not all(each.get("resources") for each in types.values()):
        return None
    return [each["resources"] for each in types.values() if each.get("max_workers") != 0]


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
        ValueError: it holds a password, which everybody on the cluster could read, or it is needed
            by machines that do not see this folder, and missing.
    """
    for uri, key in (
        (environ.get("MLFLOW_TRACKING_URI"), "MLFLOW_TRACKING_URI"),
        (settings.tracking_uri, f"metadata.pipeline.tracking_uri in {FILE}"),
    ):
        if uri:
            require_no_password(uri, key)
            return uri
    if settings.storage:
        raise ValueError(
            f"metadata.pipeline.tracking_uri in {FILE} must be given beside storage, is null: the "
            f"machines do not see mlflow.db; write the URL of an MLflow server"
        )
    return ProjectPaths(root).database


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
