"""Paths of a project: states, results, reports, caches, logs, locks, MLflow's files.

The only module that knows it: whoever wants checkpoints elsewhere changes this one.
"""

from pathlib import Path

STATES, RESULTS, REPORTS, DATA, CACHE = "state", "runs", "reports", "data", "cache"
DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
INPUTS = ("raw", "init")
"""Folders of data/ that no stage writes, and DVC watches."""
PRIVATE = ".pipeline"
DVC_WORKSPACES = (".dvc", "tmp", "exps")
"""Parent of the folders of `dvc exp run --temp` and `--queue`, which DVC deletes afterwards."""


class ProjectPaths:
    """Paths of a project: what DVC knows lies in its folder, the rest in that of its user.

    They are the same, but for an experiment in a temporary workspace of DVC: what has to survive
    that lies in the folder in which the user started it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = find_home(root)

    def dataset(self, name: str) -> Path:
        """Prepared dataset, or input, of this name."""
        return self.root / DATA / name

    def results(self, stage: str) -> Path:
        """Results that a stage hands to the next: snapshots, pictures."""
        return self.root / RESULTS / stage

    def snapshot(self, stage: str) -> Path:
        """The snapshot that a training stage published."""
        return self.results(stage) / "snapshot"

    def reports(self, stage: str) -> Path:
        """Metrics and plots that DVC shows, and pages for people."""
        return self.root / REPORTS / stage

    def states(self, stage: str) -> Path:
        """Folder of the states from which a stage resumes, one per key."""
        return self.home / STATES / stage

    @property
    def cache(self) -> Path:
        """Files that can be computed or downloaded again."""
        return self.home / CACHE

    @property
    def weights(self) -> Path:
        """Downloaded networks."""
        return self.cache / "weights"

    @property
    def database(self) -> str:
        """MLflow's own store, where no other is given."""
        return f"sqlite:///{self.home / DATABASE}"

    @property
    def artifacts(self) -> Path:
        """Files of that store."""
        return self.home / ARTIFACTS

    def logs(self, stage: str) -> Path:
        """Logs of the attempts at a stage."""
        return self.home / PRIVATE / "logs" / stage

    @property
    def journals(self) -> Path:
        """Reports that MLflow has not got yet."""
        return self.home / PRIVATE / "mlflow"

    @property
    def heads(self) -> Path:
        """Addresses of the Ray heads that run for this folder; for its user only."""
        return self.home / PRIVATE / "heads"

    def lock(self, name: str) -> Path:
        """Lock on results of this folder."""
        return self.root / PRIVATE / "locks" / f"{name}.json"

    def state_lock(self, stage: str, key: str) -> Path:
        """Lock on the states of a training."""
        return self.home / PRIVATE / "locks" / f"state-{stage}-{key}.lock"

    @property
    def detached(self) -> Path:
        """Notes on jobs that go on without their submitter."""
        return self.root / PRIVATE / "detached"

    def incoming(self, run: str) -> Path:
        """Outputs of a run on other machines, on their way to their places."""
        return self.root / PRIVATE / "incoming" / run

    def scratch(self, name: str) -> Path:
        """Files that Ray Train or Ray Tune keeps while it runs."""
        return self.home / PRIVATE / name


def find_home(root: Path) -> Path:
    """The project folder for which DVC made the workspace at `root`; else `root` itself."""
    parts = root.parts
    for index in range(1, len(parts) - len(DVC_WORKSPACES)):
        if parts[index : index + len(DVC_WORKSPACES)] == DVC_WORKSPACES:
            return Path(*parts[:index])
    return root
