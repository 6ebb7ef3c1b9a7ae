"""Child processes: answers, errors, crashes and hangs, and a child whose parent has ended."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgernn.data.run_settings import read_settings
from edgernn.errors import DataError, MissingExtraError
from edgernn.system.child import Child, ChildError
from edgernn.system.extras import require

PATIENCE_SECONDS = 30
# Takes minutes in native code, during which no other Python thread can run.
BUSY = (pow, 3, 10**9)

# A program that asks a child for an upper-case text; it is run in every possible way.
_PROGRAM = """
import operator
from edgernn.system.child import Child
print("once")
with Child(operator.methodcaller, "upper") as child:
    print(child.ask("answer"))
"""


def test_a_child_answers_one_request_after_the_other() -> None:
    with Child(functools.partial, int) as child:
        assert [child.ask("1"), child.ask("22")] == [1, 22]
        assert child.alive
    assert not child.alive


def test_a_message_may_be_larger_than_a_pipe_holds() -> None:
    text = "x" * (1 << 20)
    with Child(functools.partial, str.upper) as child:
        assert child.ask(text) == text.upper()


def test_a_child_that_dies_before_it_has_read_is_an_error() -> None:
    with (
        Child(functools.partial, os._exit, "x" * (1 << 22)) as child,
        pytest.raises(ChildError, match="failed unexpectedly"),
    ):
        child.ask(0)


def test_errors_of_edgernn_come_through(tmp_path: Path) -> None:
    with Child(functools.partial, read_settings) as child, pytest.raises(DataError, match="no such file"):
        child.ask(tmp_path)
    with Child(functools.partial, require, "train") as child, pytest.raises(MissingExtraError, match="no_such_package"):
        child.ask("no_such_package")


def test_other_errors_say_their_kind_and_the_child_goes_on() -> None:
    with Child(functools.partial, int) as child:
        with pytest.raises(ChildError, match="failed unexpectedly: ValueError: invalid literal"):
            child.ask("one")
        assert child.ask("1") == 1


@pytest.mark.parametrize(
    ("handler", "request_", "words"),
    [
        (os._exit, 3, "exit code 3"),
        (signal.raise_signal, signal.SIGSEGV, "SIGSEGV"),
        (signal.raise_signal, signal.SIGKILL, "SIGKILL"),
    ],
)
def test_a_crash_is_an_error_that_says_how_it_ended(handler: object, request_: int, words: str) -> None:
    with Child(functools.partial, handler) as child:
        with pytest.raises(ChildError, match=rf"crashed \({words}\)"):
            child.ask(request_)
        assert not child.alive
        with pytest.raises(ChildError, match="crashed"):
            child.ask(request_)


def test_a_request_may_take_so_much_processor_time() -> None:
    with (
        Child(functools.partial, *BUSY[:2]) as child,
        pytest.raises(ChildError, match="longer than 1 s of processor time"),
    ):
        child.ask(BUSY[2], cpu_limit_s=1)


def test_waiting_is_no_processor_time_and_has_its_own_limit() -> None:
    with Child(functools.partial, time.sleep) as child:
        assert child.ask(0.3, cpu_limit_s=0.1) is None
        with pytest.raises(ChildError, match=r"longer than 0\.5 s and was stopped"):
            child.ask(PATIENCE_SECONDS, cpu_limit_s=0.05)
        assert not child.alive


@pytest.mark.parametrize("way", ["script", "standard input", "-c"])
def test_the_callers_program_is_run_once(way: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_PROGRAM)
    words, given = {"script": ([str(script)], ""), "standard input": (["-"], _PROGRAM), "-c": (["-c", _PROGRAM], "")}[
        way
    ]
    done = subprocess.run([sys.executable, *words], input=given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["once", "ANSWER"]
    assert done.stderr == ""


def test_files_of_the_working_folder_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the working folder')")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "import functools\nfrom edgernn.system.child import Child\n"
        "from edgernn.data.run_settings import read_settings\n"
        "with Child(functools.partial, read_settings) as child:\n    child.ask('x')\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "imported from the working folder" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a child ends only when Python code can run")
@pytest.mark.parametrize("handler", ["time.sleep, 60", "pow, 3, 10**9"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_ends_with_its_parent(handler: str, number: signal.Signals) -> None:
    function, *values = handler.split(", ")
    program = (
        "import functools, threading, time\nfrom edgernn.system.child import Child\n"
        f"child = Child(functools.partial, {', '.join([function, *values[:-1]])})\nprint(child.pid, flush=True)\n"
        f"child.ask({values[-1]})\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(1)  # so that it is at its request
    assert _runs(child)
    parent.send_signal(number)
    assert parent.wait(PATIENCE_SECONDS) == -number
    parent.stdout.close()
    end = time.monotonic() + PATIENCE_SECONDS
    while _runs(child):
        assert time.monotonic() < end, "the child is still there"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
