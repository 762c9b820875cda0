"""Snapshots that MLflow keeps as artifacts of its runs."""

import os
from pathlib import Path

from pipeline.project import ProjectPaths

SNAPSHOT = "snapshot"


def fetch_snapshot(uri: str, run_id: str, root: Path) -> Path:
    """Folder of the snapshot of a run, or of the last stage below it that has one.

    Files of a local store are read where they are, without MLflow; those of a server are copied
    into the cache.

    Raises:
        ValueError: there is no such run, it has no snapshot, or the server cannot be reached.
    """
    local = ProjectPaths(root).artifacts / run_id / "artifacts" / SNAPSHOT
    if local.is_dir():
        return local
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from pipeline.tracking.mlflow_runs import connect

    client = connect(uri)
    try:
        run = client.get_run(run_id)
        below = f"tags.`mlflow.parentRunId` = '{run_id}'"
        children = client.search_runs([run.info.experiment_id], below)  # the newest first
        for each in (run, *children):
            if any(
                artifact.path == SNAPSHOT for artifact in client.list_artifacts(each.info.run_id)
            ):
                target = ProjectPaths(root).cache / "mlflow" / each.info.run_id
                os.makedirs(target, exist_ok=True)
                return Path(
                    download_artifacts(
                        run_id=each.info.run_id, artifact_path=SNAPSHOT, dst_path=str(target),
                        tracking_uri=uri,
                    )
                )  # fmt: skip
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{run_id} must be a run of MLflow at {uri}, which says: {reason}; `make ui` shows its "
            f"runs, or name a folder"
        ) from error
    raise ValueError(f"the run {run_id} of MLflow has no snapshot yet; name another or a folder")
