import pytest

from pipeline.workers import restarts
from pipeline.workers.failures import is_transient
from pipeline.workers.restarts import DiedError, FailedError, LeftError, find_states, run_until_done


class Stage:
    """Fails as it is told, one entry per attempt; True among them: it got further before."""

    def __init__(self, root, *fates):
        self.root, self.fates, self.attempts = root, list(fates), 0

    def attempt(self):
        self.attempts += 1
        fate = self.fates.pop(0)
        if isinstance(fate, tuple):
            fate, has_progress = fate
            if has_progress:
                (self.root / "state" / "toy" / "key" / f"nimg-{self.attempts:09d}").mkdir(
                    parents=True
                )
        if fate:
            raise fate

    def run(self, retries=3):
        run_until_done(
            self.attempt, "toy", lambda: find_states(self.root, "toy"), retries, 5.0, self.root
        )


@pytest.fixture
def pauses(monkeypatch):
    seen = []
    monkeypatch.setattr(restarts.time, "sleep", seen.append)
    return seen


DIED = DiedError("a worker process died")
LEFT = LeftError("a worker process was asked to end")
FAILED = FailedError("OSError: Input/output error")


def test_pauses_double_and_the_budget_ends(tmp_path, pauses):
    stage = Stage(tmp_path, DIED, DIED, DIED, DIED)
    with pytest.raises(ValueError, match="died, and 3 restarts in a row got no further; see the"):
        stage.run()
    assert stage.attempts == 4
    assert pauses == [5, 10, 20]


def test_restarts_that_got_further_are_not_counted(tmp_path, pauses):
    further = [(DIED, True), DIED, (LEFT, True), DIED, DIED, (DIED, True)] * 3
    stage = Stage(tmp_path, *further, None)
    stage.run(retries=2)
    assert stage.attempts == 19
    assert pauses == [0, 5, 0, 5, 10, 0] * 3


def test_pauses_have_an_end(tmp_path, pauses):
    Stage(tmp_path, *[DIED] * 9, None).run(retries=9)
    assert pauses[-3:] == [300, 300, 300]


def test_the_same_failure_at_the_same_place_is_final(tmp_path, pauses):
    stage = Stage(tmp_path, FAILED, FAILED)
    with pytest.raises(ValueError, match="Input/output error: the same again at the same place"):
        stage.run()
    assert stage.attempts == 2


@pytest.mark.parametrize("between", [(FAILED, True), FailedError("another"), DIED])
def test_another_failure_or_another_place_is_tried_again(tmp_path, pauses, between):
    stage = Stage(tmp_path, FAILED, between, None)
    stage.run()
    assert stage.attempts == 3


def test_other_errors_are_not_tried_again(tmp_path, pauses):
    stage = Stage(tmp_path, TypeError("a bug"))
    with pytest.raises(TypeError, match="a bug"):
        stage.run()
    assert (stage.attempts, pauses) == (1, [])


def test_the_error_names_the_last_log(tmp_path, pauses):
    folder = tmp_path / ".pipeline" / "logs" / "toy"
    folder.mkdir(parents=True)
    for name in ("20260101T000000Z-1.log", "20260101T000100Z-2.log"):
        (folder / name).touch()
    with pytest.raises(ValueError, match=r"see \S+/\.pipeline/logs/toy/20260101T000100Z-2\.log,"):
        Stage(tmp_path, DIED).run(retries=0)


def test_failures_of_machines_are_told_from_mistakes():
    class AcceleratorError(RuntimeError):
        pass

    for error in (
        ConnectionResetError(),
        OSError(5, "Input/output error"),
        AcceleratorError("CUDA error: uncorrectable ECC error"),
        RuntimeError("[/gloo/transport/tcp/pair.cc:534] Connection closed by peer"),
        RuntimeError("NCCL error: unhandled system error"),
    ):
        assert is_transient(error), error
    for error in (
        FileNotFoundError("x"), TypeError("x"), RuntimeError("shape '[3]' is invalid"),
        RuntimeError("CUDA out of memory"), KeyError("x"),
    ):  # fmt: skip
        assert not is_transient(error), error
