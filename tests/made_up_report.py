"""An invented result, for tests of the report: the sample artifact's answers to its digits, and random times."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from edgernn import metrics
from edgernn.bench.result import ARTIFACT, ORIGINAL, Answers, Measured, Result
from edgernn.bench.stopwatch import FIRST_ANSWER, LOAD, Method, Round
from edgernn.bench.subjects import INVOKE, PREDICT, STEP
from edgernn.data.run_commit import HISTORY
from edgernn.data.run_folder import Original, write_samples
from edgernn.data.run_settings import write_settings
from edgernn.data.samples import Samples
from edgernn.tasks import CLASSIFICATION, Task
from edgernn_benchmarks.evidence import collect
from edgernn_benchmarks.question import Question

TASK, ROUNDS = Task(CLASSIFICATION), 10
STATE = {
    "load": 0.3,
    "governor": "performance",
    "frequency_mhz": 2400.0,
    "highest_mhz": 3000.0,
    "temperature_c": 41.0,
    "throttled": None,
}
MACHINE = {
    "cpu": "A Processor",
    "flags": ["avx2", "fpu", "fma"],
    "board": None,
    "machine": "x86_64",
    "cores": 4,
    "system": "Linux",
    "kernel": "6.12",
    "python": "3.13.1",
    "versions": {"edgernn": "0.1.0", "numpy": "2.4.6"},
}


def make_result(folder: Path) -> Result:
    """Return a result of two artifacts and the original, with complete evidence; its run folder is `folder`."""
    digits = np.load(edgernn.sample().with_name("digits.npy")).astype(np.float32) / 255
    noise = np.random.default_rng(0).normal(0, 0.2, (4, *digits.shape)).astype(np.float32)
    x = np.clip(digits + noise, 0, 1).reshape(-1, 28, 28)
    truth = np.tile(np.arange(10), 4)
    model = edgernn.load(edgernn.sample())
    answers = {"digits-int8.tflite": model.predict(x), "digits-float32.onnx": model.predict(x)}
    reference = answers["digits-int8.tflite"][:, ::-1].copy()
    reference[3:] = answers["digits-int8.tflite"][3:]
    measured = {
        "Keras": _measured("Keras", ORIGINAL, 800_000, reference, reference, truth),
        "digits-int8.tflite": _measured(
            "digits-int8.tflite", ARTIFACT, 20_000, answers["digits-int8.tflite"], reference, truth
        ),
        "digits-float32.onnx": _measured(
            "digits-float32.onnx", ARTIFACT, 90_000, answers["digits-float32.onnx"], reference, truth
        ),
    }
    original = write_run(folder, x, truth)
    question = Question(x, truth, TASK, reference=reference, labels=original.labels)
    models: Mapping[str, edgernn.Model] = dict.fromkeys(answers, model)
    return Result(
        started="2026-11-27T12:00:00+00:00",
        method=Method(ROUNDS, 1.0),
        isolated=True,
        threads=1,
        clock_step_ns=40,
        machine=MACHINE,
        before=STATE,
        after=STATE,
        others_cores=0.1,
        frequencies_mhz=(2400.0,) * ROUNDS,
        subjects=tuple(measured.values()),
        baseline="Keras",
        task=TASK,
        samples=len(x),
        limits={"max_drop_points": 0.7, "min_agreement": 0.5},
        evidence=collect(folder, question, answers, models),
    )


def sensor_evidence() -> dict[str, Any]:
    """Return evidence with windows of 40 time steps of nine sensors, and classes with long names."""
    labels = [f"walking downstairs {number}" for number in range(12)]
    pixels = base64.b64encode((np.arange(360) % 256).astype(np.uint8).tobytes()).decode()
    window = {"sample": 1, "truth": 0, "keras": 0, "pixels": pixels, "answers": {"digits-int8.tflite": 1}}
    return {
        "labels": labels,
        "truth": list(range(12)),
        "decisions": {name: list(range(12)) for name in ("Keras", "digits-int8.tflite", "digits-float32.onnx")},
        "pictures": {
            "steps": 40,
            "features": 9,
            "scale": "",
            "names": [f"acceleration {number}" for number in range(9)],
            "low": [-3.5] * 9,
            "high": [40] * 9,
            "examples": [window, window],
            "disagreements": [window],
            "mistakes": [window | {"keras": 1, "confidence": 0.93}],
        },
    }


def write_run(folder: Path, x: np.ndarray, truth: np.ndarray) -> Original:
    """Write a run folder without its model."""
    labels = tuple(map(str, range(10)))
    samples = Samples.unnamed(x, truth, x, truth, labels=labels)
    folder.mkdir()
    write_samples(folder, samples)
    conditions = {"conditions": ["clean", "noisy"]}
    write_settings(folder, {"name": "digits", "labels": labels, "input": "pixel / 255", **conditions})
    history = {"loss": [0.9, 0.5, 0.4], "val_loss": [0.8, 0.6, 0.5], "accuracy": [0.5, 0.7, 0.8]}
    (folder / HISTORY).write_text(json.dumps(history), encoding="utf-8")
    return Original(folder / "model.keras", "digits", labels, "pixel / 255", samples)


def make_turns(us: float, batch: int = 1, seed: int = 0) -> tuple[Round, ...]:
    """Return rounds of a call that takes `us` microseconds, within one per cent."""
    random = np.random.default_rng([seed, int(us)])
    times = us * 1000 * batch * random.normal(1, 0.01, (ROUNDS, 20))
    return tuple(Round(each.astype(np.int64), batch) for each in times)


def _measured(
    name: str, role: str, size_bytes: int, answers: np.ndarray, reference: np.ndarray, truth: np.ndarray
) -> Measured:
    us = size_bytes / 1000
    turns = {PREDICT: make_turns(us)}
    if role == ARTIFACT:
        turns |= {INVOKE: make_turns(us / 2, 2), LOAD: make_turns(30 * us), FIRST_ANSWER: make_turns(2 * us)}
    if name.endswith(".tflite"):
        turns[STEP] = make_turns(3, 8)
    return Measured(
        name=name,
        role=role,
        backend="litert 2.3.0" if role == ARTIFACT else "keras 3.15.1",
        size_bytes=size_bytes,
        sha256=f"{size_bytes:064x}",
        quantization="int8" if role == ARTIFACT else "",
        layout="",
        verified=role == ARTIFACT,
        input_shape=(28, 28),
        turns=turns,
        answers=Answers(
            TASK.measure(answers, truth),
            TASK.agreement(answers, reference),
            metrics.largest_difference(answers, reference),
        ),
    )
