"""`make ui`: MLflow with a table of reproductions and their headlines."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cluster import load_settings, tracking_uri
from pipeline.stage import columns
from pipeline.tracking.mlflow_runs import connect, find_experiment

VIEW = "mimic3d"
"""Key of the view among those of the experiment that people may share."""
TAG = f"mlflow.sharedViewState.{VIEW}"
ATTRIBUTES = ("Duration",)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the address, and serves MLflow's own store unless a server does that already."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.ui", description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    args = parser.parse_args(argv)
    root = Path.cwd()
    try:
        uri = tracking_uri(load_settings(root), root, os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    path = write_view(uri, columns())
    if uri.startswith("http"):
        print(f"Open {uri.rstrip('/')}/{path}")
        return 0
    print(f"Open http://127.0.0.1:{args.port}/{path} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(args.port), "--workers", "1", "--backend-store-uri", uri]
    environ = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        return subprocess.call(command, env={**environ, **os.environ})
    except KeyboardInterrupt:
        return 0


def write_view(uri: str, metrics: Sequence[str]) -> str:
    """Puts the columns of the first table into the experiment; path of the page that shows them."""
    client = connect(uri)
    experiment = find_experiment(client)
    if experiment is None:
        return "#/experiments?workflowType=machine_learning"
    shown = [*(f"attributes.`{each}`" for each in ATTRIBUTES), "tags.`state`"]
    shown += [f"metrics.`{name}`" for name in metrics]
    state = {"selectedColumns": shown, "orderByKey": "attributes.start_time", "orderByAsc": False}
    client.set_experiment_tag(experiment, TAG, json.dumps(state))
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


if __name__ == "__main__":
    sys.exit(main())
