"""Parts of `make test-pi` and `make bench-pi` that need no root: counts, tables, /proc/cpuinfo, missing programs."""

import json
import re
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from common.results import FORMAT
from edgernn.errors import DataError, SettingError
from raspberry_pi import counting, raspberry_pi_page, root_building
from raspberry_pi.counting import CALLS, ROUNDS, Instructions, per_call
from raspberry_pi.device_answers import cases
from raspberry_pi.roots import PI_2, PI_3, PI_4, PI_5, PI_ZERO, ROOTS


def marks(per_round: list[list[int]]) -> list[int]:
    """Return the counter at each mark, for calls of these instructions with other work between rounds."""
    found, counter = [], 5_000_000
    for rounds in per_round:
        for count in rounds:
            found += [counter, counter + CALLS * count]
            counter = found[-1] + 123_456
    return found


def test_a_call_takes_the_median_of_its_rounds_and_nothing_of_what_is_between() -> None:
    rounds = [[65_000] * ROUNDS, [88_000] * (ROUNDS - 1) + [140_000], [37_000] * ROUNDS]
    assert per_call(marks(rounds), "here") == [65_000, 88_000, 37_000]


def test_rounds_that_do_not_repeat_and_missing_marks_are_reported() -> None:
    rounds = [[65_000] * ROUNDS, list(range(80_000, 80_000 + 1000 * ROUNDS, 1000)), [37_000] * ROUNDS]
    with pytest.raises(SettingError, match=r"here: .* in the rounds of one call, expected nearly the same"):
        per_call(marks(rounds), "here")
    with pytest.raises(SettingError, match=f"here: {6 * ROUNDS - 1} marks, expected {6 * ROUNDS}"):
        per_call(marks([[1] * ROUNDS] * 3)[1:], "here")


class Counted:
    """A device whose program has run: it refused the artifacts with a message, and counted the others."""

    def __init__(self, folder: Path, messages: list[str], code: int = 0) -> None:
        self.root, self.board, self.folder = ROOTS[0], PI_5, folder
        self._done = subprocess.CompletedProcess([], code, "".join(f"{each}\n" for each in messages), "")
        counts = folder / "home/pi/counts"
        counts.parent.mkdir(parents=True)
        found = marks([[1000] * ROUNDS, [2000] * ROUNDS, [500] * ROUNDS])
        counts.write_text("".join(f"{each}\n" for message in messages if not message for each in found))

    def run(self, _words: object, **_settings: object) -> "subprocess.CompletedProcess[str]":
        return self._done


def test_each_artifact_of_a_process_has_its_counts_or_a_reason(tmp_path: Path) -> None:
    artifacts = [tmp_path / name for name in ("a.tflite", "b.tflite", "c.tflite")]
    for artifact in artifacts:
        artifact.write_bytes(b"model")
    plugin = Path("instructions.so")

    def count(name: str, messages: list[str], code: int = 0) -> list[Instructions]:
        device: Any = Counted(tmp_path / name, messages, code)
        return counting.count_instructions(device, "tflite-runtime", artifacts, "GRU(64)", plugin)

    rows = count("refused", ["", "/mnt/b.tflite: some 1.0 misreads this artifact", ""])
    assert [(row.artifact, row.invoke, row.predict, row.push) for row in rows] == [
        ("a.tflite", 1000, 2000, 500),
        ("b.tflite", 0, 0, 0),
        ("c.tflite", 1000, 2000, 500),
    ]
    assert [row.refused for row in rows] == ["", "some 1.0 misreads this artifact", ""]
    with pytest.raises(SettingError, match=r"c\.tflite: no such file"):
        count("missing", ["", "", "/mnt/c.tflite: no such file"])
    with pytest.raises(SettingError, match=r"tflite-runtime, GRU\(64\): "):
        count("crashed", [""], code=139)


@pytest.mark.parametrize(
    ("board", "part"), [(PI_5, 0xD0B), (PI_4, 0xD08), (PI_3, 0xD03), (PI_2, 0xC07), (PI_ZERO, 0xB76)]
)
def test_a_board_shows_its_processor_for_each_core(board: Any, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    blocks = board.cpuinfo().strip().split("\n\n")
    shown = [
        dict(line.split("\t: ") for line in block.replace(" architecture:", " architecture\t:").splitlines())
        for block in blocks
    ]
    assert [block["processor"] for block in shown] == ["0", "1", "2"]
    assert {int(block["CPU part"], 16) for block in shown} == {part}
    # With this feature XNNPACK chooses its quickest integer kernels; Cortex-A72 is older.
    assert ("asimddp" in shown[0]["Features"].split()) == (board is PI_5)


def test_wheels_are_for_the_c_library_of_the_system() -> None:
    for root in ROOTS:
        assert root.platforms[0] == f"manylinux_2_{root.glibc}_{root.wheel_architecture}"
        assert f"manylinux_2_17_{root.wheel_architecture}" in root.platforms


def results() -> dict[str, Any]:
    """Return results of a complete run in which everything except one board has the host's bits."""
    rows = [
        {
            **dict(zip(("root", "board", "backend", "artifact"), case.place, strict=True)),
            "refused": "misreads" if (case.backend, case.target.quantization) == ("tflite-runtime", "dynamic") else "",
            "agreement": 0.995,
            "difference": 0.25 if case.board is PI_4 else 0.0,
            "stream": 0.0,
        }
        for case in cases()
    ]
    systems = {root.name: {"python": f"{root.python}.1", "installed": "numpy 2"} for root in ROOTS}
    beside = [
        {
            "root": "arm64-trixie",
            "board": board.name,
            "artifact": "lstm-int8.tflite",
            "samples": 200,
            "differing": differing,
            "difference": 0.125,
            "agreement": 0.995,
        }
        for board, differing in ((PI_5, 60), (PI_4, 0), (PI_3, 0))
    ]
    return {"format": FORMAT, "answers": rows, "systems": systems, raspberry_pi_page.BESIDE_NATIVE: beside}


def test_the_table_shows_boards_that_differ_and_refused_artifacts() -> None:
    text = raspberry_pi_page.answers_tables(results())
    (line, streams) = [line for line in text.splitlines() if line.startswith("| `digits-int8.tflite` |")]
    differing = "Pi 5, Pi 3: same bits; Pi 4: 99.5 %, 2e-01"
    assert line.startswith(f"| `digits-int8.tflite` | {differing} | {differing} | – |")
    assert streams.startswith("| `digits-int8.tflite` | same bits | same bits | – |")
    (line, _) = [line for line in text.splitlines() if line.startswith("| `digits-dynamic.tflite` |")]
    assert line.endswith("| refused: misread | – | refused: misread | – |")


def test_the_table_shows_on_how_many_samples_litert_differs() -> None:
    lines = raspberry_pi_page.answers_tables(results()).splitlines()
    differing = "Pi 5: 60 of 200 differ, by at most 32/256; 99.5 % same class; Pi 4, Pi 3: same bits"
    assert lines[-1] == f"| `lstm-int8.tflite` | {differing} |"


def test_a_run_without_one_of_the_artifacts_is_not_whole() -> None:
    found = results()
    gone = found["answers"].pop()
    with pytest.raises(DataError, match=f"{gone['board']}.*{gone['artifact']}: missing"):
        raspberry_pi_page.answers_tables(found)


ROWS = [
    asdict(
        Instructions(
            root="arm64-trixie",
            board="Raspberry Pi 5",
            backend="litert",
            model="GRU(64)",
            artifact="a-float32.tflite",
            size_bytes=900,
            invoke=100,
            predict=110,
            push=50,
        )
    ),
    asdict(
        Instructions(
            root="arm64-trixie",
            board="Raspberry Pi 5",
            backend="litert",
            model="GRU(64)",
            artifact="a-int8.tflite",
            size_bytes=300,
            invoke=60,
            predict=70,
            push=40,
        )
    ),
    asdict(
        Instructions(
            root="armhf-bookworm",
            board="Raspberry Pi 2",
            backend="tflite-runtime",
            model="GRU(64)",
            artifact="a-float32.tflite",
            size_bytes=900,
            invoke=100,
            predict=9,
            push=9,
        )
    ),
    asdict(
        Instructions(
            root="armhf-bookworm",
            board="Raspberry Pi 2",
            backend="tflite-runtime",
            model="GRU(64)",
            artifact="a-int8.tflite",
            size_bytes=300,
            invoke=150,
            predict=9,
            push=9,
        )
    ),
    asdict(
        Instructions(
            root="armhf-bookworm",
            board="Raspberry Pi 2",
            backend="tflite-runtime",
            model="GRU(64)",
            artifact="a-dynamic.tflite",
            size_bytes=300,
            invoke=0,
            predict=0,
            push=0,
            refused="misread",
        )
    ),
]


def test_the_table_has_each_count_and_says_where_int8_takes_more() -> None:
    rows = [{**row, **{name: 1000 * row[name] for name in counting.NAMES}} for row in ROWS]
    lines = raspberry_pi_page.instructions_tables(rows).splitlines()
    assert "|  | bytes | backend | Pi 5 | Pi 2 |" in lines
    assert "| `a-int8.tflite` | 300 | litert | 60 / 70 / 40 | – |" in lines
    assert "| `a-int8.tflite` | 300 | tflite-runtime | – | 150 / 9 / 9 |" in lines
    assert "| `a-dynamic.tflite` | 300 | tflite-runtime | – | refused |" in lines
    assert [line for line in lines if line.startswith("- ")] == [
        "- 64-bit, trixie: litert on Pi 5",
        "- 32-bit, bookworm: tflite-runtime on Pi 2",
        "- GRU(64), Pi 2, 32-bit, bookworm, tflite-runtime: 1.50 ×",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            json.dumps({"format": 1, "systems": {}, "answers": [], raspberry_pi_page.BESIDE_NATIVE: []}),
            "arm64-trixie: missing; expected the results of a complete run",
        ),
        ("{", "cannot be read as JSON"),
        ("[1]", "expected results of `make test-pi`"),
        (json.dumps({"format": 2}), "expected results of `make test-pi`, format 1"),
    ],
)
def test_results_that_are_not_of_a_whole_run_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=re.escape(message)):
        raspberry_pi_page.main([str(tmp_path / "results.json")], standalone_mode=False)


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SettingError, match="by root on Linux"):
        root_building.check_machine()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: None if name == "debootstrap" else f"/usr/bin/{name}")
    with pytest.raises(SettingError, match=r"apt-get install debootstrap$"):
        root_building.check_machine()
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(SettingError, match="apt-get install gcc libc6-dev qemu-user"):
        counting.build_plugin(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SettingError, match="root not found; build it with `make test-pi`"):
        root_building.devices(tmp_path)
