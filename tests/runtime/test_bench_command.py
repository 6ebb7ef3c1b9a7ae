"""The command `edgernn bench`: its figures and messages, not the speed of this machine."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from made_up import measured, result

import edgernn
from edgernn.bench.document import read_result
from edgernn.bench.isolated import start_isolated
from edgernn.bench.stopwatch import Method, Round
from edgernn.bench.subjects import FREE_STEPS, ArtifactLoader
from edgernn.commands.bench import bench_lines
from edgernn.errors import ArtifactError
from edgernn.golden import golden_inputs
from edgernn.system.machine import Memory

QUICK = ("--rounds", "2", "--seconds", "0")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Write an .onnx file without a card and without states, for any number of steps."""
    return write_onnx(tmp_path / "foreign.onnx", "ReduceSum", [1], keepdims=0)


def write_onnx(path: Path, operator: str, constants: list[int], **attributes: int) -> Path:
    """Write an .onnx file of one operator, with an input (batch, steps, 3) and a list of constants."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [helper.make_node(operator, ["x", "constants"], ["y"], **attributes)]
    initializers = [helper.make_tensor("constants", TensorProto.INT64, [len(constants)], constants)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", "steps", 3))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 3))
    graph = helper.make_graph(nodes, "one", [x], [y], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_html_is_the_report_of_the_same_result(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path
) -> None:
    words = ("bench", artifacts / "digits-int8.tflite", *QUICK, "--html", tmp_path / "new" / "report.html")
    assert edgernn_command(*words).stdout.splitlines()[-1] == f"Report: {tmp_path / 'new' / 'report.html'}"
    (tmp_path / "result.json").write_text(edgernn_command(*words, "--json").stdout, encoding="utf-8")
    shown = edgernn_command("report", tmp_path / "result.json", "--html", tmp_path / "again.html", "--quiet")
    assert (shown.exit_code, shown.output) == (0, "")
    assert (tmp_path / "again.html").read_text() == (tmp_path / "new" / "report.html").read_text()


def test_html_is_checked_before_anything_is_measured(
    refused: Callable[..., str], artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgernn.commands.bench.run_session", None)
    words = ("bench", artifacts / "digits-int8.tflite", "--html")
    assert "expected a name that ends with .html" in refused(*words, tmp_path / "a.tflite", exit_code=2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "matplotlib" else name)
    assert refused(*words, tmp_path / "a.html").endswith(
        'pip install "jinja2>=3.1.6" "matplotlib>=3.9" "pillow>=11" "rich>=13.9"'
    )
    # As on 32-bit Arm, where pip would find no wheel.
    monkeypatch.setattr("sys.maxsize", (1 << 31) - 1)
    assert "edgernn report result.json --html report.html" in refused(*words, tmp_path / "a.html")


def test_every_artifact_has_a_row_of_80_columns(
    edgernn_command: Callable[..., Result], artifacts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in artifacts.iterdir())
    result = edgernn_command("bench", *(artifacts / name for name in names), *QUICK)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    heading = "artifact bytes load ms invoke µs predict µs ± p95 µs step µs speed"
    assert lines[0].split() == heading.split()
    table = " ".join(" ".join(lines[2 : lines.index("")]).split())
    for name in names:
        assert name in table
        assert f" {(artifacts / name).stat().st_size:,} " in table
    assert max(map(len, lines)) <= 80
    # Two rounds give no interval: every time is marked, and every speed but the baseline's own.
    assert table.count("%!") == len(names)
    assert table.count("×!") + table.count("=!") == len(names) - 1
    text = " ".join(result.stdout.split())
    assert "1 thread" in text
    assert "all: 2 rounds, expected at least 10" in text
    assert capfd.readouterr().err == ""  # no progress without a terminal


def test_json_is_a_result_with_raw_times(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path
) -> None:
    names = ("digits-int8.tflite", "digits-float32.onnx")
    printed = edgernn_command(
        "bench",
        *(artifacts / name for name in names),
        "--rounds",
        "4",
        "--seconds",
        "0",
        "--baseline",
        names[1],
        "--json",
    )
    (tmp_path / "result.json").write_text(printed.stdout, encoding="utf-8")
    result = read_result(tmp_path / "result.json")
    assert (result.method, result.baseline, result.task) == (Method(4, 0.0), names[1], None)
    assert result.machine["versions"]["edgernn"] == edgernn.__version__
    for subject, name in zip(result.subjects, names, strict=True):
        data = (artifacts / name).read_bytes()
        assert (subject.name, subject.size_bytes, subject.sha256) == (name, len(data), hashlib.sha256(data).hexdigest())
        assert subject.backend == edgernn.load(artifacts / name).backend
        assert (subject.verified, subject.input_shape, subject.quantization) == (
            True,
            (28, 28),
            name.split("-")[1].split(".")[0],
        )
        assert {call: len(turns) for call, turns in subject.turns.items()} == dict.fromkeys(
            ("load", "first answer", "invoke", "predict", "step"), 4
        )
        load, first = subject.median_ms
        assert 0 < load < first


def test_each_call_is_what_its_name_says(artifacts: Path) -> None:
    path = artifacts / "digits-float32.tflite"
    calls = ArtifactLoader(path)().calls()
    model = edgernn.load(path)
    x = golden_inputs([0], (28, 28), 0, 1)[0]
    np.testing.assert_array_equal(calls["predict"](), model.predict(x))
    with model.stream() as stream:
        stream.push(x[0])  # as `calls` has pushed it once
        np.testing.assert_array_equal(calls["step"](), stream.push(x[0]))
    given = np.full((28, 28), 0.5, np.float32)
    np.testing.assert_array_equal(ArtifactLoader(path, x=given)().answer(), model.predict(given))


def test_each_figure_stands_in_its_own_column() -> None:
    """Use invented durations."""
    durations = {"load": 5_500_000, "first answer": 6_000_000, "invoke": 11_000, "predict": 22_000, "step": 33_000}
    turns = {call: (Round(np.array([ns])),) * 12 for call, ns in durations.items()}
    quick = measured("a.tflite", turns=turns)
    slow = measured("b.tflite", turns={**turns, "predict": turns["step"]}, memory=Memory(40_000_000, 41_500_000))
    heading, _, first, second, *_ = bench_lines(result(quick, slow))
    words = "artifact bytes load ms invoke µs predict µs ± p95 µs step µs peak MB speed"
    assert heading.split() == words.split()
    assert first.split() == ["a.tflite", "14,736", "5.5", "11.0", "22.0", "±0.0%", "22.0", "33.0", "–", "1"]
    assert second.split() == ["b.tflite", "14,736", "5.5", "11.0", "33.0", "±0.0%", "33.0", "33.0", "41.5", "0.67×"]


def test_isolated_processes_report_their_memory(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path
) -> None:
    words = ("bench", artifacts / "digits-int8.tflite", "--isolate", *QUICK)
    (tmp_path / "result.json").write_text(edgernn_command(*words, "--json").stdout, encoding="utf-8")
    (subject,) = read_result(tmp_path / "result.json").subjects
    if Path("/proc/self/status").exists():
        assert subject.memory is not None
        # Python and NumPy alone use 20 MB; this process has imported TensorFlow, which uses 300 MB and more.
        assert 20e6 < subject.memory.steady_bytes <= subject.memory.peak_bytes < 200e6
    assert len(subject.turns["predict"]) == 2


def test_a_process_that_ends_or_fails_is_one_line() -> None:
    with start_isolated("a.tflite", partial(os._exit, 3)) as subject, pytest.raises(ArtifactError) as refusal:
        subject.time_round(Method(1, 0))
    assert str(refusal.value) == "a.tflite: the process that runs it crashed (exit code 3)"
    with start_isolated("a.tflite", os.abort) as subject, pytest.raises(ArtifactError, match=r"crashed \(SIGABRT\)"):
        subject.time_round(Method(1, 0))
    missing = ArtifactLoader(Path("missing.tflite"))
    with start_isolated("missing.tflite", missing) as subject, pytest.raises(ArtifactError, match="no such file"):
        subject.time_round(Method(1, 0))


def test_a_file_that_cannot_stream_has_a_dash_and_one_without_a_card_is_marked(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], artifacts: Path, foreign: Path
) -> None:
    assert "--unverified" in refused("bench", foreign)
    words = ("bench", artifacts / "digits-int8.tflite", foreign, "--unverified", *QUICK)
    result = edgernn_command(*words)
    table = result.stdout.partition("\n\n")[0]
    assert "foreign.onnx (unverified)" in table
    assert " – " in table.splitlines()[-1]
    assert f"warning: {foreign} has no card; its answers are unverified" in result.stderr
    known, unknown = json.loads(edgernn_command(*words, "--json").stdout)["subjects"]
    assert (known["verified"], unknown["verified"]) == (True, False)
    assert unknown["input_shape"] == [FREE_STEPS, 3]
    assert "step" in known["turns"]
    assert "step" not in unknown["turns"]


def test_long_names_and_equal_ones_keep_the_columns(
    edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path
) -> None:
    long = tmp_path / f"{'a-very-long-name-' * 4}.tflite"
    folder = tmp_path / "other"
    folder.mkdir()
    same = (tmp_path / "a.tflite", folder / "a.tflite")
    for path in (long, *same):
        shutil.copy(artifacts / "digits-int8.tflite", path)
    lines = edgernn_command("bench", long, *same, *QUICK).stdout.splitlines()
    assert lines[2] == long.name
    assert all(any(line.startswith(str(path)) for line in lines) for path in same)
    size = f"{long.stat().st_size:,}"
    rows = [line for line in lines[2 : lines.index("")] if f" {size} " in line]
    assert len(rows) == 3
    # Right-aligned under the heading, for names of any length.
    assert {row.index(size) + len(size) for row in rows} == {lines[0].index("bytes") + len("bytes")}
    assert max(map(len, rows)) <= 80


def test_a_bad_artifact_is_one_line(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], artifacts: Path, tmp_path: Path
) -> None:
    good, bad = artifacts / "digits-int8.tflite", tmp_path / "bad.tflite"
    data = bytearray(good.read_bytes())
    data[-9] ^= 1
    bad.write_bytes(data)
    assert f"{bad}: damaged" in refused("bench", good, bad)
    assert "no such file" in refused("bench", tmp_path / "missing.onnx")
    assert "reads .onnx files only" in refused("bench", good, "--backend", "onnxruntime")
    assert "no baseline 'x'; expected one of digits-int8.tflite" in refused("bench", good, "--baseline", "x")
    assert "is given twice" in refused("bench", good, good)
    for words in (("--seconds", "nan"), ("--seconds", "-1"), ("--rounds", "0"), ("--threads", "65")):
        assert edgernn_command("bench", good, *words).exit_code == 2


@pytest.mark.parametrize("words", [(), ("--isolate",)])
def test_a_file_that_its_backend_cannot_run_is_one_line(
    refused: Callable[..., str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    failing = write_onnx(tmp_path / "failing.onnx", "Reshape", [7, 3])
    line = refused("bench", failing, "--unverified", *QUICK, *words)
    assert line.startswith(f"error: {failing}: onnxruntime ")
    assert line.count(str(failing)) == 1
    assert " cannot run the file: " in line
