"""The child process that converts: its errors, crashes and hangs."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgernn.data.run_folder import read_original
from edgernn.errors import ExportError, ModelError
from edgernn_export.artifact import make_artifact
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target, select_targets
from edgernn_export.worker import Worker

TARGET = Target("onnx", "float32", "operator")
# Without `if __name__ == "__main__":`, as a notebook cell is.
_SCRIPT = """
import sys
from edgernn_export import export, select_targets
from edgernn_export.settings import Settings
model, out, samples = sys.argv[1:]
settings = Settings(refine=False, min_agreement=0, max_drop=100)
targets = [*select_targets(["onnx"]), *select_targets(["tflite"], ["int8"], ["loop"])]
rows = export(model, out, targets=targets, samples=samples, settings=settings)
print([row.status for row in rows])
"""


def test_a_crash_ends_one_row_and_the_next_has_a_new_process(run_folder: Path) -> None:
    with Worker(read_original(run_folder), Settings(refine=False)) as worker:
        killer = threading.Timer(1, lambda: os.kill(worker.pid, signal.SIGSEGV))
        killer.start()
        with pytest.raises(ExportError, match=r"the converter crashed \(SIGSEGV\)"):
            worker.make(TARGET)
        killer.join()
        assert worker.make(TARGET).proof.samples > 0


def test_a_conversion_has_a_limit_of_processor_time(run_folder: Path) -> None:
    expected = pytest.raises(
        ExportError, match=r"the converter took longer than 1 s of processor time and was stopped; --time-limit"
    )
    with Worker(read_original(run_folder), Settings(refine=False, time_limit_s=1)) as worker, expected:
        worker.make(TARGET)  # importing TensorFlow takes longer


def test_a_script_without_a_guard_exports_the_bytes_of_this_process(
    save_model: Callable[..., Path], samples_file: Path, tmp_path: Path
) -> None:
    from keras import layers

    stack = [layers.SimpleRNN(units, return_sequences=units > 3) for units in (5, 4, 3)]
    path, out = save_model([*stack, layers.Dense(4, activation="softmax")]), tmp_path / "out"
    command = [sys.executable, "-", str(path), str(out), str(samples_file)]
    done = subprocess.run(command, input=_SCRIPT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['passed', 'passed', 'passed']"]
    assert done.stderr == ""  # without the messages of LiteRT and the quantizer
    source = Source(read_original(path, samples_file), Settings(refine=False, min_agreement=0, max_drop=100))
    for target in select_targets(["onnx"]):
        assert (out / target.file_name("small")).read_bytes() == make_artifact(source, target).data


def test_our_own_errors_come_through(run_folder: Path, tmp_path: Path) -> None:
    original = read_original(run_folder)
    broken = tmp_path / "model.keras"
    broken.write_bytes(b"no archive")
    with (
        Worker(replace(original, model=broken), Settings()) as worker,
        pytest.raises(ModelError, match="not a Keras file"),
    ):
        worker.make(TARGET)
