"""Threads: the cost of more threads inside the backend, and the gain of two Python threads."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import edgernn
from common.bare_subjects import BARE_BACKENDS
from common.checks import Check, ratio_check
from edgernn.bench.statistics import summarize
from edgernn.bench.stopwatch import Local, Method, measure
from edgernn.bench.subjects import PREDICT, ArtifactLoader

CALLS, ROUNDS = 2000, 15


def thread_checks(path: Path) -> list[Check]:
    """Measure threads, without limits: the figures are the reason why `threads` is 1 and a lock is enough."""
    x = np.random.default_rng(0).random(edgernn.load(path).input_shape, np.float32)
    backend = BARE_BACKENDS[path.suffix]
    subjects = {threads: Local(ArtifactLoader(path, backend, threads, x=x)) for threads in (1, 2, 4)}
    medians = {threads: summarize(rounds[PREDICT]).median_us for threads, rounds in measure(subjects, Method()).items()}
    group = f"{path.name}, threads"
    inside = [
        ratio_check(group, f"predict, threads={threads} / threads=1", medians[threads] / medians[1])
        for threads in (2, 4)
    ]
    return [*inside, *_outside(path, backend, x, group)]


def _outside(path: Path, backend: str, x: np.ndarray, group: str) -> list[Check]:
    """Compare the throughput of two Python threads with that of one, with one shared model and with one model each."""
    shared, other = (edgernn.load(path, backend=backend) for _ in range(2))
    threads = {"one": [shared], "one model": [shared, shared], "a model each": [shared, other]}
    seconds: dict[str, list[float]] = {name: [] for name in threads}
    with ThreadPoolExecutor(2) as pool:
        for _ in range(ROUNDS):
            for name, models in threads.items():
                seconds[name].append(_seconds(pool, models, x) / (len(models) * CALLS))
    one, *both = (float(np.median(values)) for values in seconds.values())
    names = (f"throughput of two threads, {name} / of one" for name in list(threads)[1:])
    return [ratio_check(group, name, one / two) for name, two in zip(names, both, strict=True)]


def _seconds(pool: ThreadPoolExecutor, models: list[edgernn.Model], x: np.ndarray) -> float:
    def work(model: edgernn.Model) -> None:
        for _ in range(CALLS):
            model.predict(x)

    start = time.perf_counter()
    list(pool.map(work, models))
    return time.perf_counter() - start
