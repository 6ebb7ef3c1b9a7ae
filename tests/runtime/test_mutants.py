"""A few mutants of each kind, by the command that makes thousands; and checks that failures are noticed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgernn
from edgernn.backends import open_artifact
from edgernn.card import read_card, seal
from edgernn.data.datasets import read_samples
from edgernn.errors import ArtifactError
from edgernn.model import load_bytes
from mutants.judging import EXCEPTION, REFUSED, RIGHT, WRONG, Judge
from mutants.mutations import KINDS, RESEALED, IntactArtifact, kind_of, make
from mutants.structure import ByteRange, byte_ranges
from mutants.weights import exchanged_classes, random_edit, redrawn, tensor_damages, weights_of, zeroed_classes

REPOSITORY = Path(__file__).parents[2]
EACH = 22  # mutants of each artifact and mode: at least two of each kind
INT8 = "digits-int8.tflite"
# Files that each backend judges: native those in int8 and float32.
JUDGED = {"native": 3 * EACH, "litert": 7 * EACH, "onnxruntime": 2 * EACH}


@pytest.fixture(scope="module")
def seen(run_folder: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the command and read its JSON."""
    file = tmp_path_factory.mktemp("mutants") / "seen.json"
    options = ["--artifacts", str(artifacts), "--count", str(EACH), "--json", str(file)]
    # A separate process, because threads of the test's process would not survive a fork.
    command = [sys.executable, "-m", "benchmarks", "mutants", str(run_folder), *options]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(file.read_text())
    assert ended.returncode == (1 if found["failures"] else 0), ended.stderr
    assert max(map(len, ended.stdout.splitlines())) <= 80
    return found


@pytest.fixture(scope="module")
def sources(artifacts: Path) -> dict[str, IntactArtifact]:
    contents = {path.name: path.read_bytes() for path in sorted(artifacts.glob("digits-*"))}
    return {
        name: IntactArtifact(name, data, tuple(other for each, other in contents.items() if each != name))
        for name, data in contents.items()
    }


@pytest.fixture(scope="module")
def judge(run_folder: Path, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(artifacts / INT8, read_samples(run_folder).x_test[:8], tmp_path_factory.mktemp("judge") / INT8)


def test_every_mutant_is_refused_or_answers_rightly(seen: dict[str, Any]) -> None:
    counts = [each for each in seen["counts"] if each["mode"] == "digest as it was"]
    assert {each["outcome"] for each in counts} <= {REFUSED, RIGHT}
    assert {each["kind"] for each in counts} == set(KINDS)
    assert _judged(counts) == JUDGED


def _judged(counts: list[dict[str, Any]]) -> dict[str, int]:
    """Return the number of mutants of each backend."""
    return {name: sum(each["count"] for each in counts if each["backend"] == name) for name in JUDGED}


def test_behind_a_right_digest_every_mutant_is_counted_and_none_is_an_exception(seen: dict[str, Any]) -> None:
    counts = [each for each in seen["counts"] if each["mode"] == "digest made right"]
    assert {each["kind"] for each in counts} == set(RESEALED)
    assert _judged(counts) == JUDGED
    assert [each for each in seen["notable"] if each["verdict"]["outcome"] == EXCEPTION] == []


@pytest.mark.parametrize("name", [INT8, "digits-float32.onnx"])
def test_a_mutant_is_made_of_its_number_alone(sources: dict[str, IntactArtifact], name: str) -> None:
    source = sources[name]
    for number in range(len(KINDS) * 2):
        mutant = make(source, number, resealed=False)
        assert mutant == make(source, number, resealed=False)
        assert mutant.kind == kind_of(number, resealed=False)
        assert mutant.data not in (source.data, make(source, number + len(KINDS), resealed=False).data)


def test_a_resealed_mutant_is_past_its_digest(sources: dict[str, IntactArtifact]) -> None:
    for number in range(len(RESEALED) * 3):
        data = make(sources[INT8], number, resealed=True).data
        assert data != sources[INT8].data
        try:
            read_card(data)
        except ArtifactError as error:
            assert "SHA-256" not in str(error)


def test_the_places_of_a_flatbuffer_are_its_headers_and_tables(sources: dict[str, IntactArtifact]) -> None:
    found = sources[INT8].byte_ranges
    assert found[:2] == [ByteRange(0, 4), ByteRange(4, 4)]
    assert len(found) > 100
    assert all(place.start + place.size <= len(sources[INT8].data) for place in found)


def test_the_places_of_a_message_are_its_tags_and_lengths() -> None:
    inner = b"\x08\x96\x01"  # field 1: 150
    message = b"\x12\x03" + inner + b"\x20\x01"
    starts = [place.start for place in byte_ranges(message, ".onnx")]
    assert starts == [0, 1, 2, 5]


def test_the_judge_distinguishes_right_from_wrong(
    judge: Judge, sources: dict[str, IntactArtifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sources[INT8].data
    assert judge.judge(data).outcome == RIGHT
    assert judge.judge(data[:-1]).outcome == REFUSED
    renamed = judge.judge(seal(data.replace(b'"labels":["0"', b'"labels":["x"')))
    assert (renamed.outcome, renamed.detail.partition(":")[0]) == (WRONG, "card")
    with monkeypatch.context() as patch:
        patch.setattr(edgernn.Model, "predict", _backwards(edgernn.Model.predict))
        backwards = judge.judge(data)
    assert (backwards.outcome, backwards.detail.partition(":")[0]) == (WRONG, "predict")
    for error in (ValueError("what"), ArtifactError("two\nlines"), ArtifactError("no file named")):
        monkeypatch.setattr(edgernn, "load", _raising(error))
        assert judge.judge(data).outcome == EXCEPTION


def _backwards(predict: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda *arguments: predict(*arguments)[..., ::-1]


def _raising(error: Exception) -> Callable[..., edgernn.Model]:
    def load(*_arguments: object) -> edgernn.Model:
        raise error

    return load


# A judge that is killed, hangs, exits, takes too much memory, and continues.
_WORKERS = """
import json, os, signal, sys, time
import numpy as np
from mutants.judging import Judgement
from mutants.workers import verdicts

def judge(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 2:
        time.sleep(600)
    if number == 3:
        sys.exit(7)
    if number == 4:
        np.zeros(1 << 32, np.uint8)
    return Judgement("right", str(number))

print(json.dumps([[number, each.outcome, each.detail] for number, each in verdicts(range(6), lambda: judge, 2.0)]))
"""


def test_a_worker_that_dies_or_hangs_costs_one_mutant() -> None:
    ended = subprocess.run([sys.executable, "-c", _WORKERS], capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    assert [number for number, _, _ in found] == [0, 1, 2, 3, 4, 5]
    assert [outcome for _, outcome, _ in found] == ["right", "crash", "hang", "exception", "memory", "right"]
    assert found[1][2].startswith("SIGSEGV")


@pytest.mark.parametrize(
    "name", [INT8, "digits-int8-loop.tflite", "digits-dynamic.tflite", "digits-dynamic-fused.tflite"]
)
def test_edited_weights_are_refused_behind_a_right_digest(
    sources: dict[str, IntactArtifact], run_folder: Path, name: str
) -> None:
    """Zero each class, exchange each two, edit each tensor: none may pass that changes more than 1 % of decisions."""
    data = sources[name].data
    weights, last = weights_of(data)
    assert [each.shape for each in last] == [(10, 64), (10,)]
    x = read_samples(run_folder).x_test[:200]
    right = open_artifact(Path(name), data, 1).run((x,))[0].argmax(axis=1)
    accepted = []
    edits = [*zeroed_classes(data, last), *exchanged_classes(data, last), *tensor_damages(data, weights)]
    assert len(edits) == 20 + 45 + 4 * len(weights)
    edits += [random_edit(data, weights, number) for number in range(20)]
    for edit, file in edits:
        assert len(file) == len(data)
        try:
            load_bytes(Path(name), file)
        except ArtifactError as error:
            assert "SHA-256" not in str(error)
            continue
        answers = open_artifact(Path(name), file, 1).run((x,))[0].argmax(axis=1)
        accepted += [edit] if np.mean(answers != right) > 0.01 else []
    assert accepted == []


def test_the_weights_of_a_file_are_found_once_each(sources: dict[str, IntactArtifact]) -> None:
    data = sources[INT8].data
    weights, _ = weights_of(data)
    assert sorted(each.shape for each in weights) == sorted([(64, 28), (64, 64), (10, 64), (64,), (10,)])
    for each in weights:
        values = each.read(data)
        assert each.write(data, values) == data
        assert data.count(values.tobytes()) == 1
        share = np.mean(redrawn(values, 0.5, np.random.default_rng(0)) != values)
        assert 0 < share <= 0.5


def test_a_random_edit_is_made_of_its_number_alone(sources: dict[str, IntactArtifact]) -> None:
    data = sources[INT8].data
    weights, _ = weights_of(data)
    names = {random_edit(data, weights, number)[0].partition(":")[0] for number in range(40)}
    assert len(names) == len(weights)
    assert random_edit(data, weights, 7) == random_edit(data, weights, 7)
