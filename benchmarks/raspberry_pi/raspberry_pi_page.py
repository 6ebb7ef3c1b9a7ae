"""Tables of docs/raspberry-pi.md, from the results of `make test-pi` and `make bench-pi`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from common.markdown import table
from common.pages import fill_in
from common.results import read_results
from edgernn.errors import DataError
from raspberry_pi.device_answers import cases
from raspberry_pi.roots import REPOSITORY, ROOTS

BESIDE_NATIVE = "litert beside native"  # field of the results
PAGE = REPOSITORY / "docs" / "raspberry-pi.md"
Row = Mapping[str, Any]
MIN_REPORTED_RATIO = 1.05  # int8 to float32, from which more instructions are reported


def answers_tables(found: Mapping[str, Any]) -> str:
    """Return tables of the installed packages, of answers beside the host's, and of streams beside answers.

    Raises:
        DataError: `found` is not from a complete run.
    """
    rows: Sequence[Row] = found["answers"]
    there = {(row["root"], row["board"], row["backend"], row["artifact"]): row for row in rows}
    missing = [root.name for root in ROOTS if root.name not in found["systems"]]
    missing += [", ".join(case.place) for case in cases() if case.place not in there]
    if missing:
        raise DataError(f"{missing[0]}: missing; expected the results of a complete run of `make test-pi`")
    systems = table(
        ["system", "Python", "installed", "processors"],
        [
            [
                root.title,
                found["systems"][root.name]["python"],
                found["systems"][root.name]["installed"],
                ", ".join(_short(board.name) for board in root.boards),
            ]
            for root in ROOTS
        ],
    )
    answers = _device_table(there, _answer)
    streams = _device_table(there, _stream)
    return (
        f"{systems}\nCompared with the host:\n\n{answers}\n"
        f"A stream's last answer compared with `predict`, both on the device:\n\n{streams}\n"
        f"int8 with LiteRT compared with native, which has the host's bits, on the same processor:\n\n"
        f"{_beside_native(found[BESIDE_NATIVE])}"
    )


def _beside_native(rows: Sequence[Row]) -> str:
    """Return a table with one artifact a line: the samples whose answers differ, by root."""
    columns = [root for root in ROOTS if any(row["root"] == root.name for row in rows)]
    lines = []
    for artifact in dict.fromkeys(row["artifact"] for row in rows):
        line = [f"`{artifact}`"]
        for root in columns:
            chosen = [row for row in rows if (row["artifact"], row["root"]) == (artifact, root.name)]
            line.append(_same({row["board"]: _differing(row) for row in chosen}))
        lines.append(line)
    return table(["", *(root.title for root in columns)], lines)


def _differing(row: Row) -> str:
    if not row["differing"]:
        return "same bits"
    numbers = f"{row['differing']} of {row['samples']}"
    return f"{numbers} differ, by at most {256 * row['difference']:.0f}/256; {100 * row['agreement']:.1f} % same class"


def _device_table(there: Mapping[tuple[str, str, str, str], Row], say: Callable[[Row], str]) -> str:
    """Return a table with one artifact a line, and one root and backend a column."""
    columns = [(root, backend) for root in ROOTS for backend in root.backends]
    lines = []
    for artifact in dict.fromkeys(case.artifact for case in cases()):
        line = [f"`{artifact}`"]
        for root, backend in columns:
            places = [(board, there.get((root.name, board.name, backend, artifact))) for board in root.boards]
            line.append(_same({board.name: say(row) if row else "–" for board, row in places}))
        lines.append(line)
    return table(["", *(f"{root.title}: {backend}" for root, backend in columns)], lines)


def _same(texts: Mapping[str, str]) -> str:
    """Write a text that all boards share once, and different texts with their boards."""
    boards: dict[str, list[str]] = {}
    for board, text in texts.items():
        boards.setdefault(text, []).append(_short(board))
    if len(boards) == 1:
        return next(iter(boards))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in boards.items())


def _answer(row: Row) -> str:
    if row["refused"]:
        return "refused: misread"
    return f"{100 * row['agreement']:.1f} %, {row['difference']:.0e}" if row["difference"] else "same bits"


def _stream(row: Row) -> str:
    if row["refused"]:
        return "–"
    return f"{row['stream']:.0e}" if row["stream"] else "same bits"


def instructions_tables(rows: Sequence[Row]) -> str:
    """Return one table a model, in thousands of instructions: an artifact and a backend a line, a board a column."""
    titles = {root.name: root.title for root in ROOTS}
    systems: dict[str, dict[str, None]] = {}
    for row in rows:
        systems.setdefault(f"{titles[row['root']]}: {row['backend']}", {})[_short(row["board"])] = None
    parts = ["".join(f"- {system} on {', '.join(boards)}\n" for system, boards in systems.items())]
    for model in dict.fromkeys(row["model"] for row in rows):
        chosen = [row for row in rows if row["model"] == model]
        boards = list(dict.fromkeys(row["board"] for row in chosen))
        cells = {(row["artifact"], row["backend"], row["board"]): _count(row) for row in chosen}
        artifacts = {row["artifact"]: row["size_bytes"] for row in chosen}
        backends = list(dict.fromkeys(row["backend"] for row in chosen))
        lines = [
            [f"`{artifact}`", f"{size:,}", backend, *(cells.get((artifact, backend, board), "–") for board in boards)]
            for artifact, size in artifacts.items()
            for backend in backends
            if any((artifact, backend, board) in cells for board in boards)
        ]
        parts.append(f"**{model}**\n\n{table(['', 'bytes', 'backend', *map(_short, boards)], lines)}")
    return "\n".join([*parts, *_larger_integers(rows)])


def _count(row: Row) -> str:
    if row["refused"]:
        return "refused"
    return " / ".join(f"{row[name] / 1000:,.0f}" for name in ("invoke", "predict", "push"))


def _larger_integers(rows: Sequence[Row]) -> list[str]:
    """List where int8 takes more instructions than float32."""
    lines = []
    titles = {root.name: root.title for root in ROOTS}
    counts = {
        (row["model"], row["root"], row["board"], row["backend"], row["artifact"]): row["invoke"]
        for row in rows
        if not row["refused"]
    }
    for (model, root, board, backend, artifact), count in counts.items():
        other = counts.get((model, root, board, backend, artifact.replace("-int8.", "-float32.")))
        if "-int8." in artifact and other and count > MIN_REPORTED_RATIO * other:
            lines.append(f"- {model}, {_short(board)}, {titles[root]}, {backend}: {count / other:.2f} ×")
    return (
        ["Where int8 unrolled takes more instructions than float32 unrolled (the backend's own call):\n", *lines]
        if lines
        else []
    )


def _short(board: str) -> str:
    return board.removeprefix("Raspberry ")


@click.command()
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(results: Path) -> None:
    """Put RESULTS of `make test-pi` into docs/raspberry-pi.md.

    \b
    Example:
        python -m benchmarks pi-page build/raspberry-pi.json
    """
    found = read_results(results, "test-pi", ("answers", "systems", BESIDE_NATIVE))
    click.echo(f"{fill_in(PAGE, 'answers', answers_tables(found))} written")
