"""Invented results, for tests of code that shows or compares results."""

from dataclasses import replace
from typing import Any

import numpy as np

from edgernn.bench.result import Answers, Measured, Result
from edgernn.bench.stopwatch import Method, Round
from edgernn.tasks import Task

STATE: dict[str, Any] = {
    "load": 0.1,
    "governor": "performance",
    "frequency_mhz": 1800.0,
    "highest_mhz": 1800.0,
    "temperature_c": 48.5,
    "throttled": 0,
}
MACHINE: dict[str, Any] = {
    "cpu": "Cortex-A76",
    "flags": ["asimd", "asimddp"],
    "board": "Raspberry Pi 5 Model B Rev 1.0",
    "machine": "aarch64",
    "cores": 4,
    "system": "Linux",
    "kernel": "6.12",
    "python": "3.13.5",
    "versions": {"edgernn": "0.1.0"},
}


def turns(median_us: float, rounds: int = 12, noise: float = 0.002, seed: int = 0, **facts: Any) -> tuple[Round, ...]:
    levels = 1000 * median_us * np.exp(np.random.default_rng(seed).normal(0, noise, rounds))
    return tuple(Round(np.array([level - 50, level, level + 300], np.int64), **facts) for level in levels)


def measured(name: str, median_us: float = 20.0, seed: int = 0, **changed: Any) -> Measured:
    calls = {call: turns(scale * median_us, seed=seed) for call, scale in (("load", 100), ("first answer", 110))}
    calls |= {call: turns(scale * median_us, seed=seed) for call, scale in (("invoke", 0.8), ("predict", 1.0))}
    facts = Measured(
        name=name,
        role="artifact",
        backend="litert 2.3.0",
        size_bytes=14_736,
        sha256="0" * 64,
        quantization="int8",
        layout="unrolled",
        verified=True,
        input_shape=(28, 28),
        turns=calls,
        answers=Answers({"accuracy": 0.93, "f1": 0.92}, 0.99, 0.1),
    )
    return replace(facts, **changed)


def result(*subjects: Measured, **changed: Any) -> Result:
    named = subjects or (measured("a.tflite", role="original"), measured("b.tflite", 40.0, seed=1))
    # Without an original there is no question.
    task = Task("classification") if any(each.role == "original" for each in named) else None
    whole = Result(
        started="2026-11-27T15:00:00+00:00",
        method=Method(12, 1.0),
        isolated=False,
        threads=1,
        clock_step_ns=100,
        machine=MACHINE,
        before=STATE,
        after=STATE,
        others_cores=0.1,
        frequencies_mhz=(1800.0,) * 12,
        subjects=named,
        baseline=named[0].name,
        task=task,
        samples=1000,
        limits={"max_drop_points": 0.7, "min_agreement": 0.985},
        evidence={"labels": ["0", "1"]},
    )
    return replace(whole, **changed)
