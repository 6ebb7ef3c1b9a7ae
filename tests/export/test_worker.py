"""The child process that converts: what becomes of its errors, crashes and hangs."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from edgernn.errors import EdgernnError, ExportError, MissingExtraError, ModelError, UnsupportedError
from edgernn.run_folder import read_original
from edgernn_export.settings import Settings
from edgernn_export.targets import Target
from edgernn_export.worker import Worker

TARGET = Target("onnx", "float32", "operator")


def test_a_crash_ends_one_row_and_the_next_has_a_new_process(run_folder: Path) -> None:
    with Worker(read_original(run_folder), Settings(refine=False)) as worker:
        worker._start()
        os.kill(worker._process.pid, signal.SIGSEGV)
        worker._process.join()
        with pytest.raises(ExportError, match=r"the converter crashed \(SIGSEGV\)"):
            worker.make(TARGET)
        assert worker.make(TARGET).proof.samples > 0


def test_a_hang_is_ended_at_the_limit(run_folder: Path) -> None:
    with Worker(read_original(run_folder), Settings(), time_limit_s=0.05) as worker:
        with pytest.raises(ExportError, match=r"took longer than 0\.05 s and was stopped"):
            worker.make(TARGET)
        assert worker._process is None or not worker._process.is_alive()


def test_our_own_errors_come_through(run_folder: Path, tmp_path: Path) -> None:
    original = read_original(run_folder)
    broken = tmp_path / "model.keras"
    broken.write_bytes(b"no archive")
    with (
        Worker(replace(original, model=broken), Settings()) as worker,
        pytest.raises(ModelError, match=r"not a \.keras file"),
    ):
        worker.make(TARGET)


@pytest.mark.parametrize("error", [MissingExtraError("onnx", "export"), ExportError("x"), UnsupportedError("y")])
def test_errors_go_through_a_pipe(error: EdgernnError) -> None:
    ours, theirs = multiprocessing.Pipe()
    theirs.send(error)
    received = ours.recv()
    assert (type(received), str(received)) == (type(error), str(error))
