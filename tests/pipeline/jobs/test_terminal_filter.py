from pipeline.jobs.terminal_filter import TerminalFilter

OURS = """start
Traceback (most recent call last):
  File "/project/stages/toy.py", line 9, in run
    torch.ones(2).reshape(3)
RuntimeError: shape '[3]' is invalid

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/ray/autoscaler/x.py", line 9, in run
RuntimeError: toy failed
end"""
SERVICE = """start
Traceback (most recent call last):
  File "/venv/site-packages/ray/autoscaler/_private/monitor.py", line 9, in run
    self.update()
grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC>

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/venv/site-packages/ray/dashboard/agent.py", line 9, in run
TimeoutError
end"""


def shown(text: str) -> str:
    passing = TerminalFilter()
    lines = [line for each in text.split("\n") for line in passing.pass_on(each)]
    return "\n".join([*lines, *passing.flush()])


def test_a_traceback_of_the_stage_is_shown_whole():
    assert shown(OURS) == OURS


def test_a_traceback_of_a_service_that_tries_again_is_not_shown():
    assert shown(SERVICE) == "start\nend"


def test_a_traceback_at_the_end_is_not_forgotten():
    cut = OURS.partition("\n\n")[0]
    assert shown(cut) == cut


def test_tracebacks_that_follow_each_other_are_judged_one_by_one():
    first, second = SERVICE.removesuffix("end"), OURS.removeprefix("start\n")
    assert shown(first + second) == "start\n" + second


def test_lines_that_ray_calls_harmless_are_not_shown():
    noise = "(pid=1) Exception ignored; this is safe to ignore\nloss 0.5"
    assert shown(noise) == "loss 0.5"
