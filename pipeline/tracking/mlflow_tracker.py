"""Reports of a stage to its MLflow run; trouble with MLflow never stops a stage."""

import time
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipeline.tracking.mlflow_runs import EXPERIMENT, RunAddress, attempt, connect, flatten
from pipeline.tracking.tracker import RelayTracker
from pipeline.tracking.trouble import describe_trouble

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

MODEL_ALIAS = "current"  # MLflow keeps the word "latest" for itself
PAUSE_SECONDS = 60.0
MAX_PENDING = 10_000
BATCH_METRICS = 1000  # the most that one MLflow request takes
BATCH_PARAMS = 100


class MlflowTracker(RelayTracker):
    """Reports to the MLflow run of a stage; MLflow's step is nimg."""

    def __init__(self, address: RunAddress) -> None:
        super().__init__()
        self.address = address
        self._client: MlflowClient | None = None
        self._pending: list[Metric] = []
        self._logged: dict[str, int] = {}
        self._unrepeated: list[Metric] = []
        self._headlines: tuple[str, ...] = ()
        self._has_warned = False
        self._silent_until = 0.0

    @property
    def client(self) -> "MlflowClient":
        """Connects at the first use, so that a tracker costs nothing until it reports."""
        if self._client is None:
            self._client = connect(self.address.uri)
        return self._client

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Logs parameters; groups become dotted keys, as in `dvc exp run -S`."""
        from mlflow.entities import Param

        items = [Param(key, str(value)[:6000]) for key, value in flatten(params)]
        for start in range(0, len(items), BATCH_PARAMS):
            chunk = items[start : start + BATCH_PARAMS]
            self._try(lambda c=chunk: self.client.log_batch(self.address.run_id, params=c))

    def log_choices(self, params: Mapping[str, Any]) -> None:
        """Logs the parameters that differ from their defaults to the reproduction."""
        from mlflow.entities import Param

        for key, value in flatten(params):  # one by one: another value than before is refused
            item = Param(key, str(value)[:6000])
            self._try(lambda i=item: self._tell_parent(params=[i]), quiet=True)

    def set_headlines(self, patterns: Sequence[str]) -> None:
        """Metrics to be repeated in the run of the reproduction."""
        self._headlines = tuple(patterns)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags of the stage's run."""
        from mlflow.entities import RunTag

        items = [RunTag(key, str(value)) for key, value in tags.items()]
        self._try(lambda: self.client.log_batch(self.address.run_id, tags=items))

    def log_metrics(
        self, metrics: Mapping[str, float], nimg: int, time_s: float | None = None
    ) -> None:
        """Logs metrics in one request; what a resumed run has logged before is not logged twice."""
        self._keep(metrics, nimg, time.time() if time_s is None else time_s)
        self._try(self._send)

    def repeat_metrics(self, rows: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Logs what never arrived because its process was killed while the server was away."""
        for nimg, metrics in rows:
            self._keep(metrics, nimg, time.time())
        self._try(self._send)

    def log_image(
        self, key: str, image: Image.Image, nimg: int, time_s: float | None = None
    ) -> None:
        """A picture in the image grid of the run's page."""
        milliseconds = int(1000 * (time.time() if time_s is None else time_s))
        self._try(lambda: self._send_image(key, image, nimg, milliseconds))

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """A file or folder among the run's artifacts."""
        send = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self._try(lambda: send(self.address.run_id, str(path), folder or None))

    def log_snapshot(self, folder: Path, nimg: int) -> None:
        """The run's artifact `snapshot`, registered as one version per run of mimic3d-<stage>."""
        self._try(lambda: self._register(folder, nimg))

    def _keep(self, metrics: Mapping[str, float], nimg: int, time_s: float) -> None:
        from mlflow.entities import Metric

        now = int(time_s * 1000)
        self._pending += [Metric(key, float(value), now, nimg) for key, value in metrics.items()]
        self._pending = self._pending[-MAX_PENDING:]

    def _send(self) -> None:
        for key in {metric.key for metric in self._pending} - self._logged.keys():
            history = self.client.get_metric_history(self.address.run_id, key)
            self._logged[key] = max((point.step for point in history), default=-1)
        fresh = [metric for metric in self._pending if metric.step > self._logged[metric.key]]
        for start in range(0, len(fresh), BATCH_METRICS):
            chunk = fresh[start : start + BATCH_METRICS]
            self.client.log_batch(self.address.run_id, metrics=chunk)
            self._logged.update({metric.key: metric.step for metric in chunk})
            self._unrepeated += self._choose_headlines(chunk)
        self._pending = []
        for start in range(0, len(self._unrepeated), BATCH_METRICS):
            self._tell_parent(metrics=self._unrepeated[start : start + BATCH_METRICS])
        self._unrepeated = []

    def _choose_headlines(self, metrics: "Sequence[Metric]") -> "list[Metric]":
        """The headlines among metrics, as the reproduction has them."""
        from mlflow.entities import Metric

        chosen = [m for m in metrics if any(fnmatchcase(m.key, p) for p in self._headlines)]
        if not chosen:
            return []
        stage, last = self.address.stage, max(chosen, key=lambda metric: metric.step)
        rows = [Metric(f"{stage}/{m.key}", m.value, m.timestamp, m.step) for m in chosen]
        if last.step:
            rows.append(Metric(f"{stage}/kimg", last.step / 1000, last.timestamp, last.step))
        return rows

    def _tell_parent(self, **content: "Sequence[Metric] | Sequence[Param]") -> None:
        """Logs to the reproduction; one that a person deleted does not hold up the stage's run."""
        try:
            self.client.log_batch(self.address.parent_id, **content)  # type: ignore[arg-type]
        except Exception as error:
            if describe_trouble(error).kind not in ("deleted", "gone"):
                raise

    def _send_image(self, key: str, image: Image.Image, nimg: int, milliseconds: int) -> None:
        mark = f"image.{key}"
        if mark not in self._logged:
            tags = self.client.get_run(self.address.run_id).data.tags
            self._logged[mark] = int(tags.get(mark, -1))
        if nimg > self._logged[mark]:
            # MLflow uploads the file before it notices that a run is deleted
            self.client.set_tag(self.address.run_id, mark, self._logged[mark])
            self.client.log_image(
                self.address.run_id, image, key=key, step=nimg, timestamp=milliseconds
            )
            self.client.set_tag(self.address.run_id, mark, nimg)
            self._logged[mark] = nimg

    def _register(self, folder: Path, nimg: int) -> None:
        run_id, name = self.address.run_id, f"{EXPERIMENT}-{self.address.stage}"
        self.client.log_artifacts(run_id, str(folder), "snapshot")
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        versions = self.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        version = (
            versions[0]
            if versions
            else self.client.create_model_version(name, f"runs:/{run_id}/snapshot", run_id)
        )
        self.client.set_model_version_tag(name, version.version, "nimg", str(nimg))
        self.client.set_registered_model_alias(name, MODEL_ALIAS, version.version)

    def _try(self, send: Callable[[], object], quiet: bool = False) -> None:
        """Reports, or warns once and leaves MLflow alone for a minute; metrics wait, bounded."""
        if time.monotonic() < self._silent_until:
            return
        if attempt(send, quiet=quiet or self._has_warned) is None and not quiet:
            self._has_warned = True
            self._silent_until = time.monotonic() + PAUSE_SECONDS


class StrictTracker(MlflowTracker):
    """Raises what MLflow may take later, and passes over what it never takes."""

    def _try(self, send: Callable[[], object], quiet: bool = False) -> None:
        try:
            send()
        except Exception as error:
            if not describe_trouble(error).is_final:
                raise
