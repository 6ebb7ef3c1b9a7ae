"""The comparison this project is judged by: edgernn beside every other tool, and how its cost grows."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from edgernn.bench.stopwatch import cache_bytes
from edgernn.errors import DataError
from edgernn.files import write_json
from peers import contest, growth, peers_page
from peers.bench_frame import Progress, measuring
from peers.checks import environment
from peers.growth import HIDDEN, STEPS
from peers.latency import CHECKED_SAMPLES
from peers.registry import Peer
from peers.side_by_side import BRISK, QUICK, THOROUGH, Effort
from peers.tools import PEERS, TOOLS, emx

PARTS = ("models", "growth")
# What requirements.txt pins, of what is called here.
_PACKAGES = ("mnn", "emx-onnx-cgen", "openvino", "nncf", "tract", "ncnn", "pnnx")


@dataclass
class Results:
    """Everything that was measured so far, written whole after each model.

    Attributes:
        target: the file.
        quick: whether it is only a look.
    """

    target: Path
    quick: bool
    environment: dict[str, Any]
    models: list[dict[str, Any]] = field(default_factory=list)
    growth: list[dict[str, Any]] = field(default_factory=list)
    growth_missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep(self, parts: Sequence[str], kinds: Sequence[str]) -> None:
        """Keep of an earlier file what is not measured now.

        Args:
            parts: that are measured now.
            kinds: of layers that are.

        Raises:
            DataError: the file is not such a one, or is of another machine.
        """
        if (set(parts), set(kinds)) == (set(PARTS), set(contest.KINDS)) or not self.target.is_file():
            return
        earlier = peers_page.read_results(self.target)
        if earlier["environment"]["cpu"] != self.environment["cpu"] or earlier["quick"] != self.quick:
            raise DataError(f"{self.target}: measured on another machine, or not as thoroughly; choose another --json")
        self.notes = [*earlier.get("notes", ()), *self.notes]
        self.models = [row for row in earlier["models"] if "models" not in parts or row["kind"] not in kinds]
        self.growth = [row for row in earlier["growth"] if "growth" not in parts or row["kind"] not in kinds]
        if "growth" not in parts:
            self.growth_missing = earlier["growth_missing"]

    def write(self) -> dict[str, Any]:
        """Write it and give it back, as the page takes it."""
        found = {
            "format": peers_page.FORMAT,
            "quick": self.quick,
            "checked_samples": CHECKED_SAMPLES,
            "environment": self.environment,
            "models": self.models,
            "growth": self.growth,
            "growth_missing": self.growth_missing,
            "notes": self.notes,
        }
        write_json(self.target, found)
        return found


def _numbers(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",") if number]
    except ValueError as error:
        raise click.BadParameter(f"{text!r}, expected numbers with commas between") from error


def _joined(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


@click.command()
@click.option(
    "--data", default="sample", show_default=True, help="What to train with, as `edgernn train --data` takes it."
)
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where the runs demo or robust-0, gru64-0 and lstm64-0 are or come to be.",
)
@click.option("--only", multiple=True, type=click.Choice(contest.KINDS), help="These layers. [default: all]")
@click.option("--part", multiple=True, type=click.Choice(PARTS), help="This part; the other stays. [default: both]")
@click.option("--hidden", callback=_numbers, default=_joined(HIDDEN), show_default=True, help="Units, at 28 steps.")
@click.option("--steps", callback=_numbers, default=_joined(STEPS), show_default=True, help="Time steps, at 64 units.")
@click.option("--others/--no-others", default=True, help="Other tools where cost grows, too. [default: others]")
@click.option("--note", multiple=True, help="What readers must know of this run, such as what else ran meanwhile.")
@click.option("--quick", is_flag=True, help="Few rounds, to see that all of it works.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/peers.json"),
    show_default=True,
    help="Where what was measured goes, whole after each model.",
)
@click.option("--page/--no-page", default=True, help="Write docs/peers.md in the end. [default: page]")
def main(
    data: str,
    runs: Path,
    only: tuple[str, ...],
    part: tuple[str, ...],
    hidden: list[int],
    steps: list[int],
    others: bool,
    note: tuple[str, ...],
    quick: bool,
    json_file: Path,
    page: bool,
) -> None:
    """Measure edgernn beside every other tool, and how its cost grows; write both as JSON and as docs/peers.md.

    \b
    Example:
        python benchmarks/peers/bench_peers.py --runs runs
        python benchmarks/peers/bench_peers.py --only gru --part growth --steps 28,512 --quick --no-page
    """
    kinds, parts = only or contest.KINDS, part or PARTS
    json_file.parent.mkdir(parents=True, exist_ok=True)
    results = Results(json_file, quick, _environment(), notes=list(note))
    with measuring() as (folder, say):
        results.keep(parts, kinds)
        if "models" in parts:
            for kind in kinds:
                results.models.append(_hold(kind, runs, data, folder, QUICK if quick else THOROUGH, say))
                results.write()
        if "growth" in parts:
            peers = {name: PEERS[name] for name in growth.OTHERS} if others else {}
            _grow(results, growth.cells(kinds, hidden, steps), peers, folder, say)
        found = results.write()
        if page:
            peers_page.write_page(found)
    click.echo(f"{json_file} written" + (f", {peers_page.PAGE.name}, too" if page else ""))


def _hold(kind: str, runs: Path, data: str, folder: Path, effort: Effort, say: Progress) -> dict[str, Any]:
    run = contest.find_run(runs, kind, data, say)
    title = contest.TITLES[kind]
    held = contest.compare_tools(run, folder / kind, effort, lambda step: say(f"{title}: {step}"))
    return {
        "kind": kind,
        "title": title,
        "tools": list(TOOLS),
        "rows": list(held.rows),
        "missing": dict(held.missing),
        "slower": dict(held.slower),
    }


def _grow(
    results: Results, cells: list[growth.ModelSize], others: dict[str, Peer], folder: Path, say: Progress
) -> None:
    for number, cell in enumerate(cells, start=1):
        rows, missing = growth.measure_cell(
            cell,
            others,
            folder / f"growth-{number}",
            QUICK if results.quick else BRISK,
            lambda step, number=number: say(f"{number} of {len(cells)}: {step}"),  # type: ignore[misc]
        )
        results.growth += rows
        results.growth_missing |= {f"{cell}, {target}": reason for target, reason in missing.items()}
        results.write()


def _environment() -> dict[str, Any]:
    machine = environment()
    return {
        **{name: value for name, value in machine.items() if name != "flags"},
        "load": machine["load"] or 0.0,  # Windows has none
        "caches": cache_bytes(),
        "versions": {**machine["versions"], **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if shutil.which(emx.COMPILER):
        done = subprocess.run([emx.COMPILER, "-dumpfullversion"], capture_output=True, text=True, check=True)  # noqa: S603
        found[emx.COMPILER] = done.stdout.strip()
    return found


if __name__ == "__main__":
    main()
