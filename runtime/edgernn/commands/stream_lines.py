"""The command `edgernn stream`."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgernn.arrays import Array, Float32
from edgernn.artifacts import read_artifact
from edgernn.console.answers import as_fields, as_text
from edgernn.console.lines import Faults, Front, StopSignals, parse_numbers, read_lines, standard_input
from edgernn.console.loading import loading_options, warn_unverified
from edgernn.console.options import EXTRA_ARGUMENTS, refuse_extra_arguments
from edgernn.console.terminal import say
from edgernn.console.warned import warnings_as_lines
from edgernn.data.readers import Archive
from edgernn.digests import sha256
from edgernn.errors import ArtifactError, DataError, InputError, OutputError, list_names
from edgernn.model import Model, load_bytes
from edgernn.records import record
from edgernn.specs import InputSpec
from edgernn.stream import Stream
from edgernn.system.files import make_folder, replacing, to_json
from edgernn.system.interrupt import exit_code
from edgernn.system.locks import alone_at
from edgernn.system.quiet import standard_error_aside

# Limit on a line, by its numbers; a number with its separator takes some 25 characters at most.
MAX_NUMBER_BYTES = 64
MIN_LINE_LIMIT_BYTES = 64 << 10
# States are some hundred numbers; a GRU of 4,096 units in 16 layers keeps 256 KB.
MAX_STATE_BYTES = 4 << 20
STATE_FORMAT = 1
_STATE = "state_"
_NOTHING = np.array("")
MAX_ROWS = 1 << 53
# The most that is lost if the process is killed while rows come without a pause.
MAX_UNSAVED_ROWS = 1000
MAX_UNSAVED_S = 1.0


class OpenSequence:
    """Sequence that is read row by row.

    Attributes:
        stream: of the model.
        features: numbers in a row.
        rows: how many were read, by this and earlier processes.
        answer: to these rows; None before the first row that this process read.
    """

    def __init__(self, stream: Stream, features: int) -> None:
        self.stream, self.features = stream, features
        self.rows = 0
        self.answer: Float32 | None = None

    def push(self, row: Float32) -> None:
        """Answer a time step.

        Raises:
            InputError: the row does not fit the model; or the answer is NaN or infinity, and a new sequence begins.
        """
        answer = self.stream.push(row)
        if not np.isfinite(answer).all():
            self.begin()
            raise InputError(
                "answered with NaN or infinity, as its numbers are too large for the model; a new sequence begins"
            )
        self.answer = answer
        self.rows += 1

    def begin(self) -> None:
        """Begin a new sequence."""
        self.stream.reset()
        self.rows, self.answer = 0, None


@record(frozen=True)
class StateFile:
    """File that keeps a sequence from one process to the next: its states and its number of rows.

    Attributes:
        path: of the file, an .npz.
        artifact: the name of the artifact that the states belong to.
        sha256: of that artifact.
    """

    path: Path
    artifact: str
    sha256: str

    def restore(self, sequence: OpenSequence) -> bool:
        """Restore a sequence from the file; False if there is no file.

        Raises:
            DataError: the file cannot be read, or its states do not fit the model.
            ArtifactError: the states belong to another artifact.
        """
        if not self.path.exists():
            return False
        if (size := self.path.stat().st_size) > MAX_STATE_BYTES:
            raise DataError(
                f"{self.path}: {size:,} bytes, too large for a state that `edgernn stream` saves; name another file"
            )
        arrays = Archive(self.path, MAX_STATE_BYTES)
        form, rows = (_whole_number(arrays.get(name)) for name in ("format", "rows"))
        if form != STATE_FORMAT or rows is None or not 0 <= rows <= MAX_ROWS:
            raise DataError(
                f"{self.path}: not a state of format {STATE_FORMAT}, as `edgernn stream` saves it; name another file"
            )
        artifact, sha256 = (str(arrays.get(name, _NOTHING)) for name in ("artifact", "sha256"))
        if sha256 != self.sha256:
            raise ArtifactError(
                f"{self.path}: a state of {artifact[:80]!r}, SHA-256 {sha256[:12]!r}…, expected {self.artifact!r}, "
                f"{self.sha256[:12]!r}…; name another file, or delete it to begin a new sequence"
            )
        # Counted before they are read: opening an archive of many thousand members once for each takes minutes.
        found = sum(name.startswith(_STATE) for name in arrays)
        names = _state_names(len(sequence.stream.state))
        if found != len(names) or not all(name in arrays for name in names):
            raise DataError(f"{self.path}: {found:,} states, expected {len(names)}: {', '.join(names)}")
        try:
            sequence.stream.state = [arrays[name] for name in names]
        except InputError as error:
            raise DataError(f"{self.path}: {error}") from error
        sequence.rows = rows
        return True

    def save(self, sequence: OpenSequence) -> None:
        """Write a sequence, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        arrays: dict[str, Any] = {
            "format": STATE_FORMAT,
            "artifact": self.artifact,
            "sha256": self.sha256,
            "rows": sequence.rows,
            **dict(zip(_state_names(len(sequence.stream.state)), sequence.stream.state, strict=True)),
        }
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)


def _state_names(count: int) -> list[str]:
    return [f"{_STATE}{place:03}" for place in range(count)]


def _whole_number(array: Array | None) -> int | None:
    """Return the single whole number in an array; None if it contains anything else."""
    return int(array) if array is not None and not array.shape and array.dtype.kind in "iu" else None


class Keeper:
    """Saves the state of a sequence in time, so that a process that is killed loses little.

    The state is saved before the process waits for the next row; when rows come without a pause, after 1,000 rows or
    one second. If saving fails, as on a full disk, this is reported once and tried again with the next rows, and the
    answers go on.

    Attributes:
        failed: True if the last attempt to save failed.
    """

    def __init__(self, file: StateFile | None, sequence: OpenSequence) -> None:
        self.failed = False
        self._file, self._sequence = file, sequence
        self._unsaved = 0
        self._saved_at = time.monotonic()
        self._said = False

    def begin(self) -> None:
        """Restore the sequence from the file, and check that the file can be written.

        Raises:
            EdgernnError: the file is not a state of this artifact, or cannot be written.
        """
        if self._file is None:
            return
        if self._file.restore(self._sequence):
            rows = self._sequence.rows
            where = f"goes on after row {rows:,}" if rows else "begins a new sequence"
            say(f"note: {self._file.path}: {where}", err=True)
        self._file.save(self._sequence)

    def count(self) -> None:
        """Count a line that may change the state."""
        self._unsaved += 1

    def save_if_due(self) -> None:
        """Save after `MAX_UNSAVED_ROWS` lines or `MAX_UNSAVED_S` seconds without a save."""
        if self._unsaved >= MAX_UNSAVED_ROWS or time.monotonic() - self._saved_at >= MAX_UNSAVED_S:
            self.save()

    def save(self) -> None:
        """Save the state if it has changed; report only the first failure."""
        if self._file is None or not (self._unsaved or self.failed):
            return
        try:
            self._file.save(self._sequence)
            self.failed = False
        except OutputError as error:
            self.failed = True
            if not self._said:
                say(f"error: {error}; answers go on, but the state is not saved; this is reported once", err=True)
            self._said = True
        self._unsaved, self._saved_at = 0, time.monotonic()


@contextmanager
def _kept(file: StateFile | None, sequence: OpenSequence) -> Iterator[Keeper]:
    """Keep a sequence in a file, with exclusive access to the file in this block.

    Raises:
        EdgernnError: the file is not a state of this artifact, cannot be written, or another process writes it.
    """
    keeper = Keeper(file, sequence)
    if file is None:
        yield keeper
        return
    make_folder(file.path.parent)
    with alone_at(file.path):
        keeper.begin()
        try:
            yield keeper
        finally:
            keeper.save()


class Writer:
    """Writer of answers, a line each, for people or for programs."""

    def __init__(self, model: Model, top: int, as_json: bool) -> None:
        self._model, self._top, self._as_json = model, top, as_json
        self._verified = model.card is not None

    def line(self, number: int, sequence: OpenSequence) -> str | None:
        """Write the answer to the rows so far, with the number of the input line; None before the first row."""
        if sequence.answer is None:
            return None
        if self._as_json:
            fields = {"line": number, "row": sequence.rows, **as_fields(self._model, sequence.answer, self._top)}
            return to_json({**fields, "verified": self._verified})
        return (
            f"{number}  {as_text(self._model, sequence.answer, self._top)}{'' if self._verified else '  (unverified)'}"
        )


def _answer(
    sequence: OpenSequence,
    keeper: Keeper,
    writer: Writer,
    *,
    names: Sequence[str],
    steps: int,
    stop: StopSignals,
    every: int | None,
    last: bool,
) -> int:
    """Answer the lines on standard input; return the number of lines that could not be used.

    The first sequence that is longer than the model's `steps` (-1: any number) is noted.

    Raises:
        DataError: a header has other names than `names`, those of the model's features.
    """
    longest = max(MIN_LINE_LIMIT_BYTES, sequence.features * MAX_NUMBER_BYTES)
    front, faults = Front(sequence.features, longest, names), Faults()
    number, noted = 0, False
    with warnings_as_lines(lambda: f"line {number}: "):
        for number, line in enumerate(read_lines(standard_input(), stop, longest, keeper.save), 1):
            keeper.count()
            try:
                if front.contains(number, line):
                    continue
                row = _parse(line, sequence.features, longest, names)
                if row is not None:
                    sequence.push(row)
            except InputError as error:
                faults.add(number, str(error))
                continue
            faults.end()
            if not noted and every is None and sequence.rows > steps > 0:
                noted = True
                advice = f"--every {steps} begins a new one after {steps:,} rows"
                say(f"note: line {number}: the sequence is longer than the model's {steps:,} rows; {advice}", err=True)
            # A restored state may have more rows than --every allows now.
            ends = row is None or (every is not None and sequence.rows >= every)
            answer = writer.line(number, sequence) if (ends if last else row is not None) else None
            if ends:
                sequence.begin()
            if answer:
                say(answer)  # in one piece, with its line end, and flushed
            keeper.save_if_due()
    faults.end()
    if last and (answer := writer.line(number, sequence)):
        say(answer)
    if last and every and 0 < sequence.rows < every:
        say(f"note: the last sequence has only {sequence.rows:,} of {every:,} rows", err=True)
    return faults.count


def _parse(line: bytes, features: int, longest: int, names: Sequence[str]) -> Float32 | None:
    """Parse the time step in a line; None when the line is empty."""
    if len(line) > longest:
        raise InputError(f"longer than {longest:,} bytes, expected {features} numbers")
    if not line.strip():
        return None
    row = parse_numbers(line)
    if len(row) != features:
        commas = len(row) == 2 * features and b"," in line and b";" not in line and not line.lstrip().startswith(b"[")
        hint = "; if these are decimal commas, put semicolons or tabs between the numbers" if commas else ""
        expected = f"{features} ({list_names(names)})" if names else f"{features}"
        raise InputError(f"{len(row)} {'number' if len(row) == 1 else 'numbers'}, expected {expected}{hint}")
    return row


def _greet(model: Model) -> None:
    warn_unverified(model)
    if sys.stdin is not None and sys.stdin.isatty():
        spec = model.card.inputs[0] if model.card else InputSpec()
        meaning = f" ({spec.meaning})" if spec.meaning and not spec.factor else ""
        names = f": {', '.join(spec.features)}" if spec.features else ""
        numbers = f"{model.input_shape[-1]} numbers a line{names}{meaning}"
        say(f"{numbers}; empty line: new sequence; Ctrl-D ends", err=True)


@click.command(context_settings=EXTRA_ARGUMENTS)
@click.argument("artifact", metavar="ARTIFACT", type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="Number of classes to print.")
@click.option("--every", type=click.IntRange(min=1), metavar="N", help="Begin a new sequence after every N rows.")
@click.option("--last", is_flag=True, help="Answer only the last row of each sequence, or of the input.")
@click.option(
    "--state",
    "state_file",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Continue from the state in this file, if it exists, and save the state there.",
)
@loading_options
@click.option("--json", "as_json", is_flag=True, help="Print each answer as one JSON object a line.")
@click.pass_context
def stream(
    ctx: click.Context,
    artifact: Path,
    top: int,
    every: int | None,
    last: bool,
    state_file: Path | None,
    backend: str | None,
    threads: int,
    unverified: bool,
    as_json: bool,
) -> None:
    """Answer time steps as they arrive on standard input.

    Reads one time step per line and prints one answer per line. A line has the numbers of one time step, as a JSON
    array or separated by commas, semicolons, tabs or spaces. With semicolons or tabs, numbers may have decimal commas.
    Before the first row there may be remarks that begin with #, and a line that names the columns. Each answer, to all
    rows of the sequence so far, is printed before the next line is read: the number of the input line, the most
    probable class and its probability; for a regression, the values. An empty line begins a new sequence.

    A line that cannot be used is skipped, and does not count for --every. The first five in succession are reported
    with their numbers on standard error, the others as a count. The command ends at the end
    of input, on Ctrl-C and on SIGTERM: lines that were read are answered, and the state is saved.

    With --state the state is also saved when all lines are answered and no further one has arrived, and while lines
    keep arriving at least every 1,000 lines or every second.
    After a power cut the next process goes on from the saved state and prints its row. If the disk is full, answers
    go on without it.

    Exit code: 0 if every line was used, 1 if one was not, or the state could not be saved at the end, 130 after Ctrl-C,
    143 after SIGTERM.

    \b
    Example:
        sensor | edgernn stream activity-int8.tflite --every 128 --json
        edgernn stream digits-int8.tflite --state state.npz < rows.csv
    """
    refuse_extra_arguments(ctx, f"rows are read from standard input: edgernn stream {artifact} < FILE")
    with StopSignals() as stop:
        data = read_artifact(artifact)
        with standard_error_aside():
            model = load_bytes(artifact, data, backend=backend, threads=threads, unverified=unverified)
            sequence = OpenSequence(model.stream(), model.input_shape[-1])
        kept = StateFile(state_file, artifact.name, sha256(data).hexdigest()) if state_file else None
        with _kept(kept, sequence) as keeper:
            _greet(model)
            writer, names = Writer(model, top, as_json), model.card.inputs[0].features if model.card else ()
            steps = model.input_shape[0]
            bad = _answer(sequence, keeper, writer, names=names, steps=steps, stop=stop, every=every, last=last)
    ctx.exit(int(bad > 0 or keeper.failed) if stop.signal is None else exit_code(stop.signal))
