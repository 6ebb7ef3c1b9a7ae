"""Commands whose standard streams are closed, full or without a reader, and on file systems that are read-only."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.errors import ArtifactError
from edgernn.system.quiet import standard_error_aside

ROW = ",".join(["0.5"] * 28) + "\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no shell that closes descriptors")
COMMANDS = {
    "stream": "stream {artifact} --json",
    "predict": "predict {artifact} {samples} --json",
    "predict lines": "predict {artifact} - --json",
    "info": "info {artifact} --json",
    "bench": "bench {artifact} --json --rounds 2 --seconds 0.01",
    "demo": "demo --device",
}


def call(words: str, redirection: str, text: str = ROW) -> tuple[str, str, int]:
    """Run a command in a shell with its streams redirected; return standard output, standard error and exit code."""
    line = f"{sys.executable} -m edgernn {words} {redirection}"
    result = subprocess.run(["bash", "-c", line], input=text, capture_output=True, text=True, check=False)
    return result.stdout, result.stderr, result.returncode


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    samples = tmp_path_factory.mktemp("samples") / "x.npy"
    np.save(samples, np.zeros((2, 28, 28), np.float32))
    return {name: text.format(artifact=edgernn.sample(), samples=samples) for name, text in COMMANDS.items()}


def lines_for(name: str) -> str:
    return json.dumps([[0.5] * 28] * 28) + "\n" if name == "predict lines" else ROW


CLOSED = ["2>&-", "2>/dev/full", "2> >(exec true)"]


@posix
@pytest.mark.parametrize(
    ("name", "redirection"),
    [*((name, CLOSED[0]) for name in ("stream", "predict lines", "info", "bench", "demo")), ("predict", CLOSED[2])],
)
def test_answers_do_not_depend_on_standard_error(words: dict[str, str], name: str, redirection: str) -> None:
    out, error, exit_code = call(words[name], redirection, lines_for(name))
    assert (error, exit_code) == ("", 0)
    if name == "demo":
        assert "push, one row" in out
    else:
        assert json.loads(out)


@posix
@pytest.mark.parametrize("redirection", CLOSED)
def test_errors_that_cannot_be_said_end_no_answers(words: dict[str, str], redirection: str) -> None:
    out, error, exit_code = call(words["stream"], redirection, f"hello\n{ROW}nan\n{ROW}")
    assert [json.loads(line)["row"] for line in out.splitlines()] == [1, 2]
    assert (error, exit_code) == ("", 1)


@posix
@pytest.mark.parametrize("redirection", CLOSED)
def test_exit_codes_do_not_depend_on_standard_error(redirection: str) -> None:
    assert call("info no.tflite", redirection) == ("", "", 1)
    assert call("fly", redirection) == ("", "", 2)


@posix
@pytest.mark.parametrize(
    ("name", "redirection", "expected"),
    [
        ("stream", "<&-", "error: standard input is closed; expected lines of numbers\n"),
        ("predict lines", "<&-", "error: standard input is closed; expected lines of numbers\n"),
        ("stream", ">&-", "error: standard output is closed; the command prints its answer there\n"),
        ("stream", ">&- 2>&- <&-", ""),
        ("stream", ">/dev/full", "error: cannot write standard output: No space left on device\n"),
    ],
)
def test_other_streams_that_are_closed_are_named(
    words: dict[str, str], name: str, redirection: str, expected: str
) -> None:
    assert call(words[name], redirection, lines_for(name)) == ("", expected, 1)


@posix
def test_no_file_gets_the_descriptor_of_a_closed_stream(words: dict[str, str], tmp_path: Path) -> None:
    """Messages that a library writes to descriptor 2 must not appear in the state file."""
    program = (
        "import os, sys; from edgernn.cli import main\n"
        "import edgernn.system.files as files; write = files.sync\n"
        "def chatter(path):\n    os.write(2, b'chatter'); write(path)\n"
        "files.sync = chatter; main(sys.argv[1:])"
    )
    (tmp_path / "program.py").write_text(program)
    state = tmp_path / "state.npz"
    line = f"{sys.executable} {tmp_path / 'program.py'} {words['stream']} --state {state} 0<<<'{ROW.strip()}' 2>&-"
    subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    assert int(np.load(state)["rows"]) == 1
    assert b"chatter" not in state.read_bytes()


def refuse(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.fixture(params=["memory", "disk", "none"])
def log_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Keep the messages of libraries where the device allows it: in memory, on a disk, or nowhere."""
    place: str = request.param
    if place != "memory":
        monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    if place == "none":
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    return place


def test_messages_are_kept_where_they_can_be(log_place: str, capfd: pytest.CaptureFixture[str]) -> None:
    with standard_error_aside() as stream:
        os.write(2, b"chatter")
        stream.write("progress ±\n")
    assert capfd.readouterr().err == "progress ±\n"
    with pytest.raises(KeyError), standard_error_aside():
        os.write(2, b"a reason")
        raise KeyError
    assert capfd.readouterr().err == ("" if log_place == "none" else "a reason")
    with pytest.raises(ArtifactError), standard_error_aside():
        os.write(2, b"chatter")
        raise ArtifactError
    assert capfd.readouterr().err == ""
    os.write(2, b"back again")
    assert capfd.readouterr().err == "back again"


@pytest.mark.parametrize("python_knows", [True, False])
def test_a_library_finds_no_standard_error(monkeypatch: pytest.MonkeyPatch, python_knows: bool) -> None:
    kept = os.dup(2)
    if python_knows:
        monkeypatch.setattr(sys, "stderr", None)
    os.close(2)
    try:
        model = edgernn.load(edgernn.sample())
        with standard_error_aside() as stream:
            stream.write("lost\n")
            os.write(2, b"lost")
        assert model.predict(np.zeros((28, 28), np.float32)).shape == (10,)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
