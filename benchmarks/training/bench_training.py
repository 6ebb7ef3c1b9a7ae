"""Checks of training: what its models answer, its speed, the growth of its cost, and trainings that are killed."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import click

from common.bench_frame import Progress, finish, json_option, measuring, read_integers
from common.checks import Check, environment, ratio_check
from common.programs import run_program
from peers.growth_laws import find_law
from training.kills import kill_checks
from training.robust_models import robust_checks
from training.timed_training import EDGERNN, FIT, PLAIN, PLAIN_WITHOUT_XLA, XLA

MAX_EPOCH_RATIO, MAX_SEED_RATIO, MAX_ROBUST_RATIO = 0.25, 0.75, 1.0
MAX_EXPONENT = 1.1
SEED_EPOCHS, LONG_EPOCHS = 5, 25
IMAGES, STEPS = (6_000, 15_000, 30_000, 60_000), (28, 56, 112, 224, 448)
_LONG_SEQUENCES = 1_500  # images while steps grow
Row = dict[str, Any]
PARTS = ("robust", "speed", "accuracy", "growth", "kills")


@click.command()
@click.option("--data", default="sample", show_default=True, help="Training data, as `edgernn train --data` takes it.")
@click.option("--seeds", callback=read_integers, default="0,1,2", show_default=True, help="Seeds, one for each round.")
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True, help="Number of kills.")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Parts to measure. [default: all]")
@click.option("--docs", is_flag=True, help="Write the table of part robust into docs/training.md.")
@json_option
@click.pass_context
def main(
    context: click.Context,
    data: str,
    seeds: list[int],
    kills: int,
    only: tuple[str, ...],
    docs: bool,
    json_file: Path | None,
) -> None:
    """Measure the models of recipe robust, and training beside plain Keras. Exit code 1 if a check fails.

    Every training is in a new process. Ratios are of trainings that follow each other, and their median over the seeds
    is checked.

    \b
    Example:
        python -m benchmarks training --data mnist
        python -m benchmarks training --data mnist --only robust --docs
        python -m benchmarks training --only kills --json checks.json
    """
    machine = environment()
    checks: list[Check] = []
    raw: dict[str, Any] = {}
    with measuring() as (folder, say):
        parts: dict[str, Callable[[], tuple[list[Check], Any]]] = {
            "robust": lambda: robust_checks(data, seeds, folder, docs, say),
            "speed": lambda: _speed_checks(data, seeds, say),
            "accuracy": lambda: _accuracy_checks(data, say),
            "growth": lambda: _growth_checks(say),
            "kills": lambda: kill_checks(data, folder, kills, 0, say),
        }
        for part, measure in parts.items():
            if part in (only or PARTS):
                found, raw[part] = measure()
                checks += found
    finish(context, json_file, machine, checks, latencies=raw)


def _speed_checks(data: str, seeds: Sequence[int], say: Progress) -> tuple[list[Check], list[Row]]:
    """Compare recipe `seed` with plain Keras, and recipe `robust` with 25 epochs of it."""
    rows = []
    for seed in seeds:
        row: Row = {"seed": seed}
        for name, way, recipe, epochs in (
            ("plain", PLAIN, "seed", SEED_EPOCHS),
            ("ours", EDGERNN, "seed", SEED_EPOCHS),
            ("plain_without_xla", PLAIN_WITHOUT_XLA, "seed", SEED_EPOCHS),
            ("robust", EDGERNN, "robust", None),
            ("plain_long", PLAIN, "seed", LONG_EPOCHS),
        ):
            say(f"seed {seed}: {name}")
            row[name] = _train(data, way, recipe, seed, epochs)
        rows.append(row)

    def epoch(run: Mapping[str, Any], times: str = "epoch_s") -> float:
        return float(median(run[times][1:]))  # Keras compiles in the first one

    def ratio(divide: Callable[[Row], float]) -> float:
        return float(median(divide(row) for row in rows))

    group = "speed, beside model.fit as its defaults are"
    checks = [
        ratio_check(
            group, "recipe seed: an epoch", ratio(lambda r: epoch(r["ours"]) / epoch(r["plain"])), MAX_EPOCH_RATIO
        ),
        ratio_check(
            group,
            f"recipe seed: {SEED_EPOCHS} epochs with compilation",
            ratio(lambda r: r["ours"]["total_s"] / r["plain"]["total_s"]),
            MAX_SEED_RATIO,
        ),
        ratio_check(
            group,
            f"recipe robust with compilation, beside {LONG_EPOCHS} epochs of recipe seed",
            ratio(lambda r: r["robust"]["total_s"] / r["plain_long"]["total_s"]),
            MAX_ROBUST_RATIO,
        ),
        ratio_check(
            group,
            "recipe seed: processor time of an epoch",
            ratio(lambda row: epoch(row["ours"], "epoch_cpu_s") / epoch(row["plain"], "epoch_cpu_s")),
        ),
        ratio_check(
            group,
            f"recipe seed: processor time of {SEED_EPOCHS} epochs with compilation",
            ratio(lambda row: row["ours"]["total_cpu_s"] / row["plain"]["total_cpu_s"]),
        ),
        ratio_check(
            group,
            "recipe robust: processor time with compilation",
            ratio(lambda row: row["robust"]["total_cpu_s"] / row["plain_long"]["total_cpu_s"]),
        ),
        ratio_check(
            group,
            "recipe seed: an epoch, beside model.fit with jit_compile=False",
            ratio(lambda r: epoch(r["ours"]) / epoch(r["plain_without_xla"])),
        ),
        ratio_check(
            group,
            f"recipe seed: {SEED_EPOCHS} epochs, beside model.fit with jit_compile=False",
            ratio(lambda r: r["ours"]["total_s"] / r["plain_without_xla"]["total_s"]),
        ),
    ]
    return checks, rows


def _accuracy_checks(data: str, say: Progress) -> tuple[list[Check], Row]:
    """Compare the accuracy of recipe `seed` by engine and with plain Keras, over 5 seeds.

    Both engines see the same batches, plain Keras its own. The figure is the difference of the means as a multiple of
    the standard error of one mean; two sets of batches alone differ by more than 1 in half of all cases.
    """
    found: dict[str, list[float]] = {}
    for way in (XLA, FIT, PLAIN):
        say(f"accuracy over 5 seeds: {way}")
        found[way] = [_train(data, way, "seed", seed, SEED_EPOCHS)["accuracy"] for seed in range(5)]

    def distance(way: str) -> float:
        standard_error = stdev(found[way]) / len(found[way]) ** 0.5
        return float(abs(mean(found[XLA]) - mean(found[way])) / standard_error)

    group = "accuracy of recipe seed with XLA, in standard errors"
    return [
        ratio_check(group, "difference to model.fit on the same batches", distance(FIT), 1.0),
        ratio_check(group, "difference to model.fit on its own batches", distance(PLAIN)),
    ], found


def _growth_checks(say: Progress) -> tuple[list[Check], Row]:
    """Measure how the time of an epoch grows with the number of images and of steps."""
    checks, raw = [], {}
    for name, sizes, others in (
        ("images", IMAGES, {"steps": 28}),
        ("steps", STEPS, {"images": _LONG_SEQUENCES}),
    ):
        costs = []
        for size in sizes:
            say(f"growth: {size:,} {name}")
            costs.append(min(_train({**others, name: size}, XLA, "seed", 0, 4)["epoch_s"][1:]))
        raw[name] = dict(zip(map(str, sizes), costs, strict=True))
        exponent = find_law(sizes, costs).exponent
        range_ = f"{sizes[0]:,} to {sizes[-1]:,} {name}"
        checks.append(ratio_check("growth of an epoch's time", f"exponent over {range_}", exponent, MAX_EXPONENT))
    return checks, raw


def _train(data: str | Row, way: str, recipe: str, seed: int, epochs: int | None) -> Row:
    """Train in a new process; return what `timed_training` measured."""
    request = {"way": way, "data": data, "recipe": recipe, "epochs": epochs, "seed": seed}
    folder = Path(__file__).parents[1]
    if isinstance(data, str) and Path(data).exists():
        request["data"] = str(Path(data).resolve())
    row: Row = json.loads(run_program([sys.executable, "-m", "training.timed_training", json.dumps(request)], folder))
    return row
