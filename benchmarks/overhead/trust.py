"""Reliability of comparisons: an artifact compared with itself, and with a slowed copy of itself, many times."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np

from common.bench_frame import finish, json_option, measuring
from common.checks import Check, environment
from edgernn.bench.statistics import Ratio, speed_ratio
from edgernn.bench.stopwatch import Local, Method, measure
from edgernn.bench.subjects import PREDICT, ArtifactLoader, LoadedArtifact

SLOWED = 1.1
# Limits for 200 comparisons: 5 % false alarms plus what chance adds, and nine in ten slower copies found.
MAX_ALARMS, MIN_FOUND = 0.08, 0.9
PROGRESS_EVERY = 20
NAMES = ("itself", "itself again", "slowed")


@dataclass(frozen=True)
class Slowed:
    """An artifact whose calls take longer, by a share of a previously measured median."""

    loaded: LoadedArtifact
    extra_ns: int

    def answer(self) -> object:
        """Run `predict` once."""
        return self.loaded.answer()

    def calls(self) -> Mapping[str, Callable[[], object]]:
        """Return `predict`, followed by a busy wait."""
        return {PREDICT: partial(_then_wait, partial(self.loaded.model.predict, self.loaded.x), self.extra_ns)}


def _then_wait(call: Callable[[], object], extra_ns: int) -> None:
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
    loader, method = ArtifactLoader(artifact), Method()
    loaded = loader()
    once = partial(loaded.model.predict, loaded.x)
    times = []
    for _ in range(2000):
        start = time.perf_counter_ns()
        once()
        times.append(time.perf_counter_ns() - start)
    extra = int((SLOWED - 1) * float(np.median(times[1000:])))
    loads: tuple[Callable[[], Slowed], ...] = (
        lambda: Slowed(loader(), 0),
        lambda: Slowed(loader(), 0),
        lambda: Slowed(loader(), extra),
    )
    rounds = measure({name: Local(load) for name, load in zip(NAMES, loads, strict=True)}, method)
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
