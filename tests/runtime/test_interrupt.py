"""Ctrl-C and SIGTERM at any moment: exit codes, one line of message, no files left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60

# Work that ignores the first exception and continues, as code of other libraries does.
_STUBBORN = """
import sys, time
from edgernn.system import interrupt
with interrupt.interruptible():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except BaseException:
        pass
    {then}
"""


def _start(program: str) -> "subprocess.Popen[str]":
    started = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("then", ["raise", "pass", "sys.exit(0)", "1 / 0", "time.sleep(60)"])
def test_a_signal_decides_the_exit_code_whatever_becomes_of_the_exception(number: signal.Signals, then: str) -> None:
    program = _STUBBORN.format(then=then if then != "raise" else "raise KeyboardInterrupt")
    if then == "time.sleep(60)":  # it waits for the end of this time
        program = program.replace("with ", "interrupt.GRACE_SECONDS = 0.2\nwith ", 1)
    process = _start(program)
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert error in (f"interrupted ({number.name})\n", "" if then == "time.sleep(60)" else None)


def test_a_second_signal_does_not_cut_the_cleaning_up() -> None:
    process = _start(_STUBBORN.format(then='time.sleep(0.5); print("cleaned up", flush=True)'))
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    out, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out, error) == (130, "cleaned up\n", "interrupted (SIGINT)\n")


@pytest.mark.parametrize("module", ["edgernn.system.interrupt", "signal", "threading", "contextlib"])
def test_an_interrupt_before_anything_is_imported_leaves_no_traceback(module: str) -> None:
    program = f"""
import os, signal, sys
class Interrupting:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
print("ready", flush=True)
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Interrupting)
sys.argv = ["edgernn", "info"]
from edgernn.__main__ import run
run()
"""
    out, error = (process := _start(program)).communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out, error) == (-signal.SIGINT, "", "")


def test_nothing_else_is_imported_before_signals_are_handled() -> None:
    program = """
import sys
before = set(sys.modules)
import edgernn.__main__
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "edgernn edgernn.__main__ edgernn.system edgernn.system.telemetry\n"


def test_an_ignored_signal_stays_ignored() -> None:
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + _STUBBORN.format(then="pass")
    process = _start(program.replace("time.sleep(60)", "time.sleep(1)"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_leaves_no_folder_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "edgernn", "train", "--recipe", "seed", "--out", str(tmp_path / "a" / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "loading TensorFlow" in process.stdout.readline()
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, error) == (128 + number, f"interrupted ({number.name})\n")
    assert not list(tmp_path.iterdir())
