"""Count instructions per inference on each root and board, with QEMU, so that the host's speed does not matter."""

import platform
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import click

from common.bench_frame import Progress, json_option, measuring
from common.bench_runs import GRU64, LSTM64, find_run
from common.pages import fill_in
from common.programs import last_line, run_program
from common.results import FORMAT
from edgernn.errors import ArtifactError, ExportError, SettingError
from edgernn.model import load
from edgernn.system.files import visible_files, write_json
from edgernn_export import export
from edgernn_export.targets import DEFAULT_TARGETS
from raspberry_pi import count
from raspberry_pi.device_answers import takes
from raspberry_pi.raspberry_pi_page import PAGE, instructions_tables
from raspberry_pi.root_building import check_machine, devices, roots_locked
from raspberry_pi.roots import ENVIRONMENT, HOME, REPOSITORY, SHARED, Device

CALLS, ROUNDS = 10, 5
TIME_LIMIT_S = 1800
# Maximum of the median round above the smallest; single rounds are larger when a library does other work.
MAX_SPREAD = 0.01
NAMES = ("invoke", "predict", "push")
MARKS = 2 * ROUNDS * len(NAMES)  # of an artifact
PLUGIN = Path(__file__).with_name("instructions.c")
# Numbers of getppid: arch/arm/tools/syscall.tbl and include/uapi/asm-generic/unistd.h of Linux.
_MARK = {"arm": 64, "aarch64": 173}
# The emulator with plugins is linked dynamically: in the root, its libraries must have the host's paths.
_LIBRARIES = (Path("/lib64"), Path(f"/usr/lib/{platform.machine()}-linux-gnu"))
_PROGRAMS, _PLUGINS, _COUNTS = Path("/edgernn-host"), Path("/edgernn-plugin"), HOME / "counts"


@dataclass(frozen=True)
class Instructions:
    """Numbers of instructions that calls of an artifact take on a device's processor.

    Attributes:
        model: kind of model, for instance GRU(64).
        invoke: the backend's own call, with its input in place.
        predict: one sample in, its answer out, checks included.
        push: one row of a stream.
        refused: reason why the backend does not run it; the counts are then 0.
    """

    root: str
    board: str
    backend: str
    model: str
    artifact: str
    size_bytes: int
    invoke: int
    predict: int
    push: int
    refused: str = ""


def build_plugin(folder: Path) -> Path:
    """Compile the plugin for the installed QEMU.

    Raises:
        SettingError: there is no compiler, or no QEMU with support for plugins.
    """
    missing = [name for name in ("gcc", "qemu-aarch64", "qemu-arm") if not shutil.which(name)]
    if missing:
        raise SettingError(f"{missing[0]} not found: apt-get install gcc libc6-dev qemu-user")
    usage = subprocess.run(["qemu-arm", "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    if "-plugin" not in usage:
        raise SettingError("the installed QEMU does not support plugins; install qemu-user of Debian bookworm")
    printed = run_program(["qemu-arm", "--version"])
    version = re.search(r"version (\d+)", printed)
    if not version:
        raise SettingError(f"qemu-arm --version printed {printed[:80]!r}, expected a version")
    api = 1 if int(version[1]) < 9 else 2
    folder.chmod(0o755)  # another user loads it
    plugin = folder / "instructions.so"
    command: list[str | Path] = ["gcc", f"-DAPI={api}", "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SettingError(f"{PLUGIN}: {done.stderr.strip()[:400]}")
    return plugin


def count_instructions(
    device: Device, backend: str, artifacts: Sequence[Path], model: str, plugin: Path
) -> list[Instructions]:
    """Count the instructions of calls of artifacts of one model on a device.

    Args:
        device: its folder SHARED has the artifacts and the program `count`.
        backend: name of the backend.
        artifacts: their files on this machine.
        model: kind of the model.
        plugin: result of `build_plugin`.

    Raises:
        SettingError: they did not run there, or the rounds differ by more than 1 %.
    """
    emulator = f"qemu-{device.root.emulator}"
    settings = f"{_PLUGINS}/{plugin.name},mark={_MARK[device.root.emulator]},out={_COUNTS}"
    libraries = {path: path for path in _LIBRARIES if path.exists()}
    mounts = {**libraries, plugin.parent: _PLUGINS, Path("/usr/bin"): _PROGRAMS}
    program = [ENVIRONMENT / "bin" / "python", SHARED / Path(count.__file__).name]
    done = device.run(
        [*program, backend, str(CALLS), str(ROUNDS), *(SHARED / artifact.name for artifact in artifacts)],
        emulator=[_PROGRAMS / emulator, "-plugin", settings, "-E", "PYTHONHASHSEED=0"],
        mounts=mounts,
        time_limit_s=TIME_LIMIT_S,
    )
    place = f"{device.root.name}, {device.board.name}, {backend}"
    messages = done.stdout.splitlines()
    if done.returncode or len(messages) != len(artifacts):
        raise SettingError(f"{place}, {model}: {last_line(done)}")
    marks = [int(line) for line in (device.folder / _COUNTS.relative_to("/")).read_text().split()]
    rows = []
    for artifact, message in zip(artifacts, messages, strict=True):
        result = partial(
            Instructions,
            root=device.root.name,
            board=device.board.name,
            backend=backend,
            model=model,
            artifact=artifact.name,
            size_bytes=artifact.stat().st_size,
        )
        what = f"{place}, {artifact.name}"
        if not message:
            own, marks = marks[:MARKS], marks[MARKS:]
            invoke, predict, push = per_call(own, what)
            rows.append(result(invoke=invoke, predict=predict, push=push))
        elif "misreads" in message:
            rows.append(result(invoke=0, predict=0, push=0, refused=message.partition(f"{artifact.name}: ")[2]))
        else:
            raise SettingError(f"{what}: {message}")
    return rows


def per_call(marks: Sequence[int], what: str) -> list[int]:
    """Return the instructions a call, for each of NAMES: the median of its rounds.

    Args:
        marks: the counter at each mark, two a round.
        what: description of the measurement, for messages.

    Raises:
        SettingError: marks are missing, or the rounds do not repeat.
    """
    if len(marks) != MARKS:
        raise SettingError(f"{what}: {len(marks)} marks, expected {MARKS}")
    rounds = [(after - before) / CALLS for before, after in zip(marks[::2], marks[1::2], strict=True)]
    found = []
    for index in range(0, len(rounds), ROUNDS):
        group = rounds[index : index + ROUNDS]
        if statistics.median(group) > (1 + MAX_SPREAD) * min(group):
            raise SettingError(f"{what}: {group} instructions in the rounds of one call, expected nearly the same")
        found.append(round(statistics.median(group)))
    return found


def count_all(runs: Sequence[tuple[str, Path]], plugin: Path, progress: Progress) -> list[Instructions]:
    """Count for every artifact of these run folders, on every board and backend that runs it.

    If several roots have the same board and backend, the first is used, which is the newest.

    Args:
        runs: kinds of models, each with the folder of its artifacts.
        plugin: result of `build_plugin`.
        progress: called with the next step.
    """
    rows: list[Instructions] = []
    with tempfile.TemporaryDirectory() as temporary:
        shared = Path(temporary)
        shared.chmod(0o755)
        shutil.copy(count.__file__, shared)
        places: dict[tuple[str, str], Device] = {}
        for device in devices(shared):
            for backend in device.root.backends:
                places.setdefault((device.board.name, backend), device)
        for model, run in runs:
            quantizations = _artifacts(run)
            artifacts = list(quantizations)
            for artifact in artifacts:
                shutil.copy(artifact, shared)
            for (_, backend), device in places.items():
                progress(f"{device.root.name}, {device.board.name}, {backend}: {model}")
                chosen = [path for path in artifacts if takes(backend, path.suffix, quantizations[path])]
                rows += count_instructions(device, backend, chosen, model, plugin)
    return rows


def _artifacts(run: Path) -> dict[Path, str]:
    """Return the artifacts of a folder with their quantizations; a bad file is reported here."""
    found = visible_files(run, (".tflite", ".onnx"))
    if not found:
        raise ArtifactError(f"{run}: no artifacts; make them with `edgernn export {run}`")
    cards = {path: load(path).card for path in found}
    return {path: card.quantization for path, card in cards.items() if card}


def find_runs(folder: Path, progress: Progress) -> list[tuple[str, Path]]:
    """Find the digits' SimpleRNN of `make demo`, and a GRU and an LSTM, trained on the bundled digits if missing.

    Raises:
        ExportError: a model could not be exported.
    """
    runs = [("SimpleRNN(64)", folder / "demo")]
    for model in (GRU64, LSTM64):
        run = find_run(folder, model, 0, "sample", progress)
        artifacts = run / "artifacts"
        if not artifacts.is_dir():
            _export(run, artifacts, progress)
        runs.append((model.title, artifacts))
    return runs


def _export(run: Path, artifacts: Path, progress: Progress) -> None:
    """Export the default set; the folder gets its name when it is complete."""
    part = artifacts.with_name("artifacts.part")
    rows = export(run, part, targets=DEFAULT_TARGETS, overwrite=True, progress=progress)
    wrong = [f"{row.path.name}: {row.reason}" for row in rows if row.proof and not row.passed]
    if wrong:
        raise ExportError(f"{run}: {'; '.join(wrong)}")
    part.rename(artifacts)


@click.command()
@click.argument(
    "folder", metavar="RUNS", type=click.Path(exists=True, file_okay=False, path_type=Path), default=REPOSITORY / "runs"
)
@json_option
@click.option("--docs", is_flag=True, help="Put the tables into docs/raspberry-pi.md.")
def main(folder: Path, json_file: Path | None, docs: bool) -> None:
    """Count the instructions per inference of artifacts on a Raspberry Pi's operating systems, under QEMU.

    RUNS has the run folders demo, gru64-0 and lstm64-0; the last two are trained if missing. The roots are those of
    `make test-pi`. Takes half an hour on two idle cores.

    \b
    Example:
        python -m benchmarks pi-count runs --docs
    """
    check_machine()
    with roots_locked(), measuring() as (temporary, say):
        # Checks for missing parts come first, long work last.
        _artifacts(folder / "demo")
        devices(temporary)
        plugin = build_plugin(temporary)
        rows = count_all(find_runs(folder, say), plugin, say)
    text = instructions_tables([asdict(row) for row in rows])
    click.echo(text)
    if json_file:
        write_json(json_file, {"format": FORMAT, "instructions": [asdict(row) for row in rows]})
    if docs:
        click.echo(f"{fill_in(PAGE, 'instructions', text)} written", err=True)
