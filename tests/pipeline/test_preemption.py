import signal
import subprocess
import sys

import pytest

PREPARE = """
import sys, threading, time
from pipeline.preemption import add_preemption_check, install_sigterm_handler, listening, working

install_sigterm_handler(float(sys.argv[1]))
"""
IDLE = "print('ready', flush=True); time.sleep(60)"
BUSY = """
with working():
    print('ready', flush=True)
    time.sleep(60)
"""
DONE = """
with working():
    pass
print('ready', flush=True)
time.sleep(60)
"""
WORK = """
with listening() as is_halted:
    print('ready', flush=True)
    while not is_halted():
        time.sleep(0.01)
    print('saved')
sys.exit(75)
"""
DEEP = """
with listening():
    print('ready', flush=True)
    threading.Lock().acquire() and threading.Semaphore(0).acquire()
"""
ASKED = """
told = []
add_preemption_check(lambda: bool(told))
with listening() as is_halted:
    print('ready', flush=True)
    assert not is_halted()
    told.append(1)
    assert is_halted()
sys.exit(75)
"""


def start(code: str, grace_seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PREPARE + code, str(grace_seconds)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)
    assert process.stdout
    assert process.stdout.readline() == "ready\n", process.communicate()
    return process


@pytest.mark.parametrize(
    ("code", "grace_seconds", "exit_code", "said"),
    [
        (IDLE, 60, 143, ""),
        (BUSY, 60, 143, "SIGTERM: nothing to save\n"),
        (DONE, 60, 143, ""),
        (WORK, 60, 75, "saved\n"),
        (DEEP, 0.1, 143, "SIGTERM: nothing was saved within 0.1 s of grace\n"),
    ],
)
def test_sigterm_waits_for_work_that_listens(code, grace_seconds, exit_code, said):
    process = start(code, grace_seconds)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out + err) == (exit_code, said)


def test_others_may_say_that_it_is_time(tmp_path):
    process = start(ASKED, 60)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (75, "")


def test_other_signals_stay_as_they_are():
    process = start(WORK, 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in err
