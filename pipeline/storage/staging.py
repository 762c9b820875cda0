"""The submitter's side of runs without a shared file system: code, inputs, and outputs back."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic3d.content_hash import text_hash
from pipeline.project import ProjectPaths
from pipeline.storage.content_store import INDEX, dump_index, index_files, parse_index
from pipeline.storage.remote_run import COPIED, PLAN, RemoteRun

PACKAGES = ("mimic3d", "pipeline", "stages")
SUFFIXES = (".py",)


@dataclass(frozen=True)
class Contract:
    """Contract of a stage in dvc.yaml: what it reads, code aside, and what it writes."""

    inputs: list[str]
    outs: list[str]


def read_contract(root: Path, stage: str) -> Contract:
    """The contract of a stage, with the names that dvc.yaml takes from params.yaml filled in."""
    from dvc.dependency import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            definition = repo.stage.load_one(str(root / "dvc.yaml"), stage)
            files = [dep for dep in definition.deps if not isinstance(dep, ParamsDependency)]
            deps = [str(dep.def_path) for dep in files]
            outs = [str(out.def_path) for out in definition.outs]
    except DvcException as error:
        raise ValueError(f"dvc.yaml must have a stage {stage}: {error}") from None
    return Contract([dep for dep in deps if Path(dep).parts[0] not in PACKAGES], outs)


def pack_code(root: Path, target: Path) -> int:
    """Copies what a job needs to `target`, and nothing else; returns the bytes.

    Python files of our packages, and three YAML files: a list of what may leave this machine, so
    that no data, no history and no secret does.
    """
    files = [
        path.relative_to(root)
        for package in PACKAGES
        for path in sorted((root / package).rglob("*"))
        if path.suffix in SUFFIXES and path.is_file()
    ]
    for path in [*files, *map(Path, COPIED)]:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target / path)
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def plan_run(root: Path, stage: str, fingerprint: str) -> tuple[str, dict[str, Any]]:
    """The key of a run, equal for equal parameters, code and inputs, and what its job has to do."""
    contract = read_contract(root, stage)
    missing = [name for name in contract.inputs if not (root / name).exists()]
    if missing:
        raise ValueError(f"{stage} needs {', '.join(missing)}, which is missing; run dvc repro")
    inputs = dump_index(index_files(root, contract.inputs))
    text = json.dumps([fingerprint, inputs], sort_keys=True)
    folders = [each for each in contract.inputs if (root / each).is_dir()]
    plan = {"inputs": inputs, "folders": folders, "outs": contract.outs}
    return text_hash(text)[:12], plan


def send_inputs(remote: RemoteRun, plan: dict[str, Any], root: Path) -> int:
    """Uploads what the storage lacks of the inputs, and the plan; returns the bytes."""
    sent = remote.inputs().upload(root, parse_index(plan["inputs"]))
    remote.record().write(PLAN, plan)
    return sent


def collect(remote: RemoteRun, root: Path) -> list[str] | None:
    """Fetches the outputs of a finished run and clears its record; None if it has not finished.

    All are fetched before the first takes its place, each at once.

    Raises:
        ValueError: an output is damaged; nothing was changed.
    """
    store = remote.outputs()
    record = store.read(INDEX)
    plan = remote.record().read(PLAN)
    if record is None or plan is None:
        return None
    index = parse_index(record)
    partial = ProjectPaths(root).incoming(remote.run)
    shutil.rmtree(partial, ignore_errors=True)
    store.download({partial / path: content for path, content in index.items()})
    outs = [out for out in plan["outs"] if (partial / out).exists()]
    for out in outs:
        _replace(partial / out, root / out)
    shutil.rmtree(partial)
    remote.record().remove()
    return outs


def _replace(source: Path, target: Path) -> None:
    """Puts a file or folder in the place of what was there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    if target.is_dir():
        target.rename(old)
    source.replace(target)
    shutil.rmtree(old, ignore_errors=True)
