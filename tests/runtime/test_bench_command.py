"""The command `edgernn bench`: what it measures, not how quick this machine is."""

import json
import shutil
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import edgernn
from edgernn.commands import bench

QUICK = ("--rounds", "2", "--seconds", "0")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An .onnx file without a card and without states, of any number of steps."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", "steps", 3))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 3))
    graph = helper.make_graph(nodes, "sums", [x], [y], [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "foreign.onnx")
    return tmp_path / "foreign.onnx"


def test_every_artifact_has_a_row_of_80_columns(edgernn_command: Callable[..., Result], artifacts: Path) -> None:
    names = sorted(path.name for path in artifacts.iterdir())
    result = edgernn_command("bench", *(artifacts / name for name in names), *QUICK)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    heading = "artifact bytes load ms invoke µs predict µs p95 µs step µs"
    assert lines[0].split() == heading.split()
    # On a slow machine the longest name may have a line of its own.
    words = " ".join(lines[2 : lines.index("")]).split()
    assert words[::7] == names
    assert words[1::7] == [f"{(artifacts / name).stat().st_size:,}" for name in names]
    assert max(map(len, lines)) <= 80
    assert "1 thread" in result.stdout
    assert "measuring 27 calls" in result.stderr


def test_json_has_the_figures_the_backends_and_the_device(
    edgernn_command: Callable[..., Result], artifacts: Path
) -> None:
    names = ("digits-int8.tflite", "digits-float32.onnx")
    result = edgernn_command(
        "bench", *(artifacts / name for name in names), "--rounds", "4", "--seconds", "0", "--json"
    )
    document = json.loads(result.stdout)
    assert (document["format"], document["rounds"], document["seconds"]) == (1, 4, 0)
    environment = document["environment"]
    assert environment["threads"] == 1
    assert environment["versions"] == {"edgernn": edgernn.__version__, "numpy": np.__version__}
    assert environment["backends"] == sorted(edgernn.load(artifacts / name).backend for name in names)
    for row, name in zip(document["artifacts"], names, strict=True):
        assert row["path"] == str(artifacts / name)
        assert row["size_bytes"] == (artifacts / name).stat().st_size
        assert (row["verified"], row["input_shape"]) == (True, [28, 28])
        assert row["load"]["calls"] == bench.LOADS
        for call in ("invoke", "predict", "step"):
            assert row[call]["calls"] == 4  # a turn of no length is one call
            assert 0 < row[call]["median_us"] <= row[call]["p95_us"]


def test_each_call_is_what_its_column_says(
    edgernn_command: Callable[..., Result], artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With durations that nobody measured, each figure must be found in its own place."""
    made_up = {"invoke": 11_000, "predict": 22_000, "step": 33_000}
    answers: dict[str, Any] = {}

    def stand_in(subjects: Mapping[Hashable, Callable[[], object]], **_settings: object) -> dict[Hashable, Any]:
        answers.update({name[1]: call() for name, call in subjects.items() if isinstance(name, tuple)})
        return {
            name: np.array([made_up[name[1]] if isinstance(name, tuple) else 5_500_000], np.int64) for name in subjects
        }

    monkeypatch.setattr(bench, "measure", stand_in)
    path = artifacts / "digits-float32.tflite"
    line = edgernn_command("bench", path, *QUICK).stdout.splitlines()[2]
    assert line.split()[1:] == [f"{path.stat().st_size:,}", "5.5", "11.0", "22.0", "22.0", "33.0"]
    from edgernn.golden import golden_inputs

    model = edgernn.load(path)
    x = golden_inputs(1, (28, 28), 0, 1)[0]
    np.testing.assert_array_equal(answers["predict"], model.predict(x))
    with model.stream() as stream:
        stream.push(x[0])  # once when it was made ready
        np.testing.assert_array_equal(answers["step"], stream.push(x[0]))


def test_what_cannot_stream_has_a_dash_and_what_has_no_card_says_so(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], artifacts: Path, foreign: Path
) -> None:
    assert "--unverified" in refused("bench", foreign)
    words = ("bench", artifacts / "digits-int8.tflite", foreign, "--unverified", *QUICK)
    result = edgernn_command(*words)
    table = result.stdout.partition("\n\n")[0]
    assert "foreign.onnx (unverified)" in table
    assert table.endswith(" –")
    assert f"warning: {foreign} has no card; its answers are unverified" in result.stderr
    known, unknown = json.loads(edgernn_command(*words, "--json").stdout)["artifacts"]
    assert (known["verified"], unknown["verified"]) == (True, False)
    assert (unknown["input_shape"], unknown["step"]) == ([bench.FREE_STEPS, 3], None)


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
    # Right under the heading, whatever is on the left.
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
    for words in (("--seconds", "nan"), ("--seconds", "-1"), ("--rounds", "0"), ("--threads", "65")):
        assert edgernn_command("bench", good, *words).exit_code == 2


@pytest.mark.parametrize(("load", "busy"), [(0.1, False), (1.7, True)])
def test_a_busy_machine_is_said(
    edgernn_command: Callable[..., Result], artifacts: Path, monkeypatch: pytest.MonkeyPatch, load: float, busy: bool
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    result = edgernn_command("bench", artifacts / "digits-int8.tflite", *QUICK)
    assert ("The machine is busy: 1.7 processes" in result.stdout) is busy
