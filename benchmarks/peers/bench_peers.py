"""`make bench`: edgernn beside every other tool, and how cost grows with units and time steps."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from bars.latency import CHECKED_SAMPLES
from common.bench_frame import Progress, measuring, read_integers
from common.checks import environment
from common.programs import run_program
from common.results import FORMAT
from common.side_by_side import BRISK, QUICK, THOROUGH, Effort
from edgernn.bench.stopwatch import cache_bytes
from edgernn.errors import DataError
from edgernn.system.files import write_json
from peers import contest, growth, peers_page
from peers.c_extensions import COMPILER
from peers.growth import HIDDEN, STEPS
from peers.registry import Peer
from peers.tools import PEERS, TOOLS

PARTS = ("models", "growth")
# Packages that requirements.txt pins and that are called here.
_PACKAGES = ("mnn", "emx-onnx-cgen", "openvino", "nncf", "tract", "ncnn", "pnnx")


@dataclass
class Results:
    """Everything measured so far; the file is written again after each model.

    Attributes:
        target: the JSON file.
        quick: True if only few rounds are measured.
    """

    target: Path
    quick: bool
    environment: dict[str, Any]
    models: list[dict[str, Any]] = field(default_factory=list)
    growth: list[dict[str, Any]] = field(default_factory=list)
    growth_missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep(self, parts: Sequence[str], kinds: Sequence[str]) -> None:
        """Keep the results of an earlier file that are not measured now.

        Args:
            parts: parts that are measured now.
            kinds: layer kinds that are measured now.

        Raises:
            DataError: the file has another format, or was measured on another machine or with another effort.
        """
        if (set(parts), set(kinds)) == (set(PARTS), set(contest.KINDS)) or not self.target.is_file():
            return
        earlier = peers_page.read_peers(self.target)
        if earlier["environment"]["cpu"] != self.environment["cpu"] or earlier["quick"] != self.quick:
            raise DataError(
                f"{self.target}: measured on another machine, or with another effort (--quick); choose another --json"
            )
        self.notes = [*earlier.get("notes", ()), *self.notes]
        self.models = [row for row in earlier["models"] if "models" not in parts or row["kind"] not in kinds]
        self.growth = [row for row in earlier["growth"] if "growth" not in parts or row["kind"] not in kinds]
        if "growth" not in parts:
            self.growth_missing = earlier["growth_missing"]

    def write(self) -> dict[str, Any]:
        """Write the results and return them in the form that `peers_page` reads."""
        found = {
            "format": FORMAT,
            "checked_samples": CHECKED_SAMPLES,
            **{name: value for name, value in vars(self).items() if name != "target"},
        }
        write_json(self.target, found)
        return found


@click.command()
@click.option("--data", default="sample", show_default=True, help="Training data, as `edgernn train --data` takes it.")
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs demo or robust-0, gru64-0 and lstm64-0; missing ones are trained.",
)
@click.option("--only", multiple=True, type=click.Choice(contest.KINDS), help="Layer kinds to measure. [default: all]")
@click.option(
    "--part",
    multiple=True,
    type=click.Choice(PARTS),
    help="Part to measure; the other part's results stay. [default: both]",
)
@click.option(
    "--hidden",
    callback=read_integers,
    default=",".join(map(str, HIDDEN)),
    show_default=True,
    help="Numbers of units, at 28 steps.",
)
@click.option(
    "--steps",
    callback=read_integers,
    default=",".join(map(str, STEPS)),
    show_default=True,
    help="Numbers of time steps, at 64 units.",
)
@click.option("--others/--no-others", default=True, help="Also measure other tools where cost grows. [default: others]")
@click.option(
    "--note", multiple=True, help="Note for readers of the page, such as what else ran during the measurement."
)
@click.option("--quick", is_flag=True, help="Measure few rounds, only to see that everything works.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/peers.json"),
    show_default=True,
    help="File of the results, written again after each model.",
)
@click.option("--page/--no-page", default=True, help="Write docs/peers.md at the end. [default: page]")
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
        python -m benchmarks peers --runs runs
        python -m benchmarks peers --only gru --part growth --steps 28,512 --quick --no-page
    """
    kinds, parts = only or contest.KINDS, part or PARTS
    json_file.parent.mkdir(parents=True, exist_ok=True)
    results = Results(json_file, quick, _environment(), notes=list(note))
    with measuring() as (folder, say):
        results.keep(parts, kinds)
        if "models" in parts:
            for kind in kinds:
                results.models.append(_compare_tools(kind, runs, data, folder, QUICK if quick else THOROUGH, say))
                results.write()
        if "growth" in parts:
            peers = {name: PEERS[name] for name in growth.OTHERS} if others else {}
            _grow(results, growth.model_sizes(kinds, hidden, steps), peers, folder, say)
        found = results.write()
        if page:
            peers_page.write_page(found)
    click.echo(f"{json_file} written" + (f"; {peers_page.PAGE.name} written" if page else ""))


def _compare_tools(kind: str, runs: Path, data: str, folder: Path, effort: Effort, say: Progress) -> dict[str, Any]:
    run = contest.find_run(runs, kind, data, say)
    title = contest.MODELS[kind].title
    result = contest.compare_tools(run, folder / kind, effort, lambda step: say(f"{title}: {step}"))
    return {"kind": kind, "title": title, "tools": list(TOOLS), **asdict(result)}


def _grow(
    results: Results, sizes: list[growth.ModelSize], others: dict[str, Peer], folder: Path, say: Progress
) -> None:
    for number, size in enumerate(sizes, start=1):
        rows, missing = growth.measure_size(
            size,
            others,
            folder / f"growth-{number}",
            QUICK if results.quick else BRISK,
            lambda step, number=number: say(f"{number} of {len(sizes)}: {step}"),  # type: ignore[misc]
        )
        results.growth += rows
        results.growth_missing |= {f"{size}, {target}": reason for target, reason in missing.items()}
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
    if shutil.which(COMPILER):
        found[COMPILER] = run_program([COMPILER, "-dumpfullversion"]).strip()
    return found
