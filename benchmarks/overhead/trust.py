"""Reliability of comparisons: an artifact compared with itself, and with a slowed copy of itself, many times."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import numpy as np

from common.bench_frame import finish, json_option, measuring
from common.checks import Check, environment
from edgernn.bench.statistics import Ratio, speed_ratio
from edgernn.bench.stopwatch import Call, Local, Method, Ready, measure
from edgernn.bench.subjects import PREDICT, ArtifactLoader

SLOWED = 1.1
# Limits for 200 comparisons: 5 % false alarms plus what chance adds, and nine in ten slower copies found.
MAX_ALARMS, MIN_FOUND = 0.08, 0.9
PROGRESS_EVERY = 20
NAMES = ("itself", "itself again", "slowed")


def _load_slowed(loader: ArtifactLoader, extra_ns: int) -> Ready:
    """Load an artifact whose `predict` is followed by a busy wait."""
    return Ready({PREDICT: partial(_then_wait, _load(loader), extra_ns)})


def _load(loader: ArtifactLoader) -> Call:
    loaded = loader()
    return partial(loaded.model.predict, loaded.x)


def _then_wait(call: Call, extra_ns: int) -> None:
    call()
    clock = time.perf_counter_ns
    end = clock() + extra_ns
    while clock() < end:
        pass


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--comparisons", type=click.IntRange(1), default=200, show_default=True, help="Comparisons of each kind.")
@json_option
@click.pass_context
def main(ctx: click.Context, artifact: Path, comparisons: int, json_file: Path | None) -> None:
    """Compare ARTIFACT with itself under two names, and with itself 10 % slower, as `edgernn compare` does."""
    with measuring() as (_folder, say):
        machine = environment()
        ratios = []
        for done in range(comparisons):
            if done % PROGRESS_EVERY == 0:
                say(f"{done} of {comparisons} comparisons, each of three in {Method().rounds} rounds")
            ratios.append(_compare_once(artifact))
    same, slowed = zip(*ratios, strict=True)
    figures = {name: [asdict(each) for each in kind] for name, kind in (("itself", same), ("slowed", slowed))}
    checks = [
        *_checks("with itself", "difference", same, MAX_ALARMS),
        *_checks("slowed by 10 %", "slower", slowed, MIN_FOUND, at_least=True),
    ]
    finish(ctx, json_file, machine, checks, latencies=figures)


def _compare_once(artifact: Path) -> tuple[Ratio, Ratio]:
    """Time the artifact, itself again and its slowed copy side by side; return the speed ratios of the latter two."""
    loader = ArtifactLoader(artifact)
    once = _load(loader)
    times = []
    for _ in range(2000):
        start = time.perf_counter_ns()
        once()
        times.append(time.perf_counter_ns() - start)
    extra = int((SLOWED - 1) * float(np.median(times[1000:])))
    subjects = {
        name: Local(partial(_load_slowed, loader, wait)) for name, wait in zip(NAMES, (0, 0, extra), strict=True)
    }
    rounds = measure(subjects, Method())
    first, second, slow = (rounds[name][PREDICT] for name in NAMES)
    return speed_ratio(second, first), speed_ratio(slow, first)


def _checks(kind: str, verdict: str, ratios: Sequence[Ratio], limit: float, *, at_least: bool = False) -> list[Check]:
    verdicts = (verdict,) if verdict == "slower" else ("slower", "faster")
    found = float(np.mean([ratio.verdict in verdicts for ratio in ratios]))
    width = float(np.median([(ratio.high - ratio.low) / ratio.estimate for ratio in ratios]))
    group = f"{len(ratios)} comparisons {kind}"
    return [
        Check(group, f'verdict "{verdict}"', "share", figure=found, limit=limit, at_least=at_least),
        Check(group, "median width of the intervals", "share", figure=width),
        Check(group, "median ratio", "ratio", figure=float(np.median([ratio.estimate for ratio in ratios]))),
    ]
