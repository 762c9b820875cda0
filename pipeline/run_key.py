"""Name of a run of a stage: equal for runs that would make the same."""

import json
from pathlib import Path

from ruamel.yaml import YAML

from mimic3d.content_hash import text_hash
from pipeline.stage import hash_stages
from pipeline.state_options import StateOptions


def run_key(stage: str, params: str, root: Path, options: StateOptions | None = None) -> str:
    """Identity of a run of a stage: parameters, code, and what it reads, in 12 letters.

    What is asked of training states counts where something is.
    """
    parts = [stage, params, hash_stages([stage]), _earlier_results(root, stage)]
    if options and options != StateOptions():
        parts += [bool(options.anew), options.continued]
    text = json.dumps(parts, sort_keys=True)
    return text_hash(text)[:12]


def _earlier_results(root: Path, stage: str) -> dict[str, object]:
    """Entries of dvc.lock for the results of the stages before this one."""
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    yaml = YAML(typ="safe")
    order = list(yaml.load(root / "dvc.yaml")["stages"])
    locked = yaml.load(lock)["stages"]
    earlier = order[: order.index(stage)] if stage in order else []
    return {name: locked[name].get("outs") for name in earlier if name in locked}
