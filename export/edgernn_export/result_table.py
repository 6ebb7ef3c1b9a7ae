"""Result of an export as text: the table, its notes, and the artifact to ship."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgernn.bench.profiles import install_command, profile_named
from edgernn.bench.result import Measured, Result
from edgernn.bench.verdict import Verdict, group_devices, in_order
from edgernn.console.grading import count_test_samples
from edgernn.tasks import MEASURES, show, show_measures
from edgernn_export.console import make_console, make_table
from edgernn_export.pipeline import FAILED, LEFT_OUT, TargetResult
from edgernn_export.proof import Proof
from edgernn_export.recommendation import choose_by_device, choose_source
from edgernn_export.task_inference import describe_guess

if TYPE_CHECKING:
    from rich.table import Table

_NOTE_ON_TIMES = " µs: one prediction on this machine, timed for a moment; edgernn compare measures longer."


def by_name(timed: Result | None) -> dict[str, Measured]:
    """Return the timed artifacts by the names of their files."""
    return {each.name: each for each in timed.artifacts} if timed else {}


def print_rows(
    rows: Sequence[TargetResult],
    timed: Result | None,
    verdict: Verdict | None,
    *,
    profile: str = "",
    keep_failed: bool,
) -> None:
    """Print the table of an export, its notes, and the recommendation.

    Args:
        rows: from `export`.
        timed: from `measure`; None if the artifacts were not timed.
        verdict: about `timed`.
        profile: the device of --for; empty without it.
        keep_failed: whether artifacts that failed the proof were written.
    """
    console = make_console()
    if any(row.proof for row in rows):
        console.print(_table(_sorted(rows, timed, verdict), timed))
    for line in (*_without_stream(rows), *_left_out(rows), *_notes(rows)):
        console.print(line, markup=False)
    proven = next((row.proof for row in rows if row.proof), None)
    if proven:
        keras = f"Keras has {show_measures(proven.keras)}" if proven.keras else _unknown(proven)
        console.print(
            f"{count_test_samples(proven.samples)}; {keras}. agreement: with Keras. max diff: largest difference from "
            f"Keras {_unit(proven)}. streaming: largest difference between a stream and predict."
            f"{_NOTE_ON_TIMES if timed else ''}",
        )
    if rows[0].fed:
        console.print(f"Fed to the model: {rows[0].fed}.", markup=False)
    for sentence in (proven.rebuilt, proven.doubt) if proven else ():
        if sentence:
            console.print(sentence, markup=False)
    written = any(row.passed or (row.status == FAILED and keep_failed) for row in rows)
    place = f"In {rows[0].path.parent.absolute()}"
    console.print(place if written else "Nothing was written.", soft_wrap=True)
    # Last, because they say what to do.
    for line in _not_passed(rows):
        console.print(line, markup=False)
    source = choose_source(rows, profile)
    if sentence := _ship_source(source, profile) if source else verdict.sentence if verdict else "":
        console.print(f"{sentence}.", markup=False)
    if profile and not source and profile_named(profile).compiles:
        console.print("--to c makes C source, which needs no interpreter there.", markup=False)
    if devices := [] if profile else group_devices(choose_by_device(rows, timed)):
        console.print("By device (--for):", *(f"    {line}" for line in devices), sep="\n", markup=False)
    if verdict and verdict.recommended:
        device = profile_named(profile) if profile else None
        if command := install_command(verdict.recommended.name, verdict.recommended.backend, device):
            # The command names the wheel of a machine.
            where = device.title if device else "a 64-bit Raspberry Pi"
            console.print(f"On {where}:", f"    {command}", sep="\n", markup=False, soft_wrap=True)


def _ship_source(row: TargetResult, profile: str) -> str:
    """Recommend a source, with its figures."""
    facts = []
    if row.device:
        facts += [f"{row.device.flash_bytes:,} bytes of flash", f"{row.device.ram_bytes:,} bytes of RAM"]
    if row.proof:
        facts.append(f"{row.proof.task.show_agreement(row.proof.agreement)} agreement with Keras")
    return f"Ship {row.path.name} for {profile_named(profile).title}: {', '.join(facts)}, no interpreter"


def _sorted(rows: Sequence[TargetResult], timed: Result | None, verdict: Verdict | None) -> Sequence[TargetResult]:
    """Sort rows: the recommended artifact first, then by time; artifacts that were not timed come last."""
    if timed is None:
        return rows
    artifacts = in_order(replace(timed, subjects=timed.artifacts), verdict.recommended if verdict else None)
    places = {each.name: place for place, each in enumerate(artifacts)}
    return sorted(rows, key=lambda row: places.get(row.path.name, len(places)))


def _by_reason(rows: Iterable[tuple[TargetResult, str]]) -> dict[str, str]:
    """Group rows with the same reason; return the names of each group's artifacts by the reason."""
    names: dict[str, list[str]] = {}
    for row, reason in rows:
        names.setdefault(reason, []).append(row.path.name)
    return {reason: ", ".join(each) for reason, each in names.items()}


def _not_passed(rows: Sequence[TargetResult]) -> list[str]:
    """Describe which artifacts did not pass and what to do, one line for each reason."""
    failed = [(row, f"{row.status}: {row.reason}") for row in rows if not row.passed and row.status != LEFT_OUT]
    return [f"{names}: {reason}" for reason, names in _by_reason(failed).items()]


def _notes(rows: Sequence[TargetResult]) -> list[str]:
    """List the facts about single artifacts."""
    return [f"{row.path.name}: {note}." for row in rows if row.device for note in row.device.sentences]


def _left_out(rows: Sequence[TargetResult]) -> list[str]:
    """Describe which default artifacts were not made, one line for each reason."""
    groups = _by_reason((row, row.reason) for row in rows if row.status == LEFT_OUT)
    lines = [f"Left out: {names}: {reason}." for reason, names in groups.items()]
    return [*lines, "--all makes every kind of artifact."] if lines else []


def _unknown(proof: Proof) -> str:
    return f"{MEASURES[proof.task.headline]}: not known, because the samples have no y; {describe_guess(proof.task)}"


def _unit(proof: Proof) -> str:
    """Describe the unit of `metrics.largest_difference` for the task's answers."""
    numbers = proof.task.numbers
    return (
        "in any probability"
        if numbers == "probabilities"
        else f"as a share of the largest {numbers[:-1]}, or of 1 if that is larger"
    )


def _without_stream(rows: Sequence[TargetResult]) -> list[str]:
    """Describe which artifacts cannot stream, one line for each reason."""
    groups = _by_reason((row, row.proof.no_stream) for row in rows if row.proof and row.proof.no_stream)
    every = ", ".join(row.path.name for row in rows if row.proof)
    return [
        f"{'No artifact streams' if names == every else f'No streaming with {names}'}: {reason}"
        for reason, names in groups.items()
    ]


def _table(rows: Sequence[TargetResult], timed: Result | None) -> "Table":
    """Make the table of exported artifacts; the others have only a reason, which `_not_passed` describes.

    Without times, there is no column for them.
    """
    proofs = [(row, row.proof) for row in rows if row.proof]
    measure_name = MEASURES[proofs[0][1].task.headline] if proofs else "score"
    subjects = by_name(timed)
    return make_table(
        ("bytes", measure_name, "agreement", "max diff", "streaming", *(["µs"] if timed else [])),
        [
            (
                f"{row.path.name}{'' if row.passed else ' ✗'}",
                f"{row.size_bytes:,}",
                *_figures(proof),
                *([_time(subjects.get(row.path.name))] if timed else []),
            )
            for row, proof in proofs
        ],
    )


def _time(subject: Measured | None) -> str:
    return f"{subject.predict.median_us:,.1f}" if subject else "–"


def _figures(proof: Proof) -> list[str]:
    if not proof.streamed:
        streaming = "none"
    elif proof.stream_difference == 0:
        streaming = "same bits"
    else:
        streaming = f"{proof.stream_difference:.0e}"
    return [
        show(proof.task.headline, proof.artifact.get(proof.task.headline)),
        proof.task.show_agreement(proof.agreement),
        f"{proof.difference:.0e}",
        streaming,
    ]
