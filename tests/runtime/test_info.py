"""`edgernn info` on cards of other versions."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgernn import sample
from edgernn.card import Card, read_card, seal
from edgernn.cli import main

CARD = read_card(sample().read_bytes())
FIELDS = json.loads(CARD.encode())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def sealed(**changes: Any) -> bytes:
    fields = {name: value for name, value in (FIELDS | changes).items() if name != "sha256"} | {"sha256": "0" * 64}
    return seal(json.dumps(fields, separators=(",", ":")).encode("ascii"))


def strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def measured(**changes: Any) -> dict[str, Any]:
    return FIELDS["measured"] | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"measured": {}},
        {"measured": measured(artifact={})},
        {"measured": measured(artifact={"accuracy": 0.9, "auc": 0.8, "per_class": [0.9, 0.8]})},
        {"measured": measured(keras=None)},
        {"measured": measured(keras={"f1": 0.9})},
        {"measured": measured(agreement="high", samples="many", difference=None)},
        {"measured": measured(agreement=math.nan, difference=math.inf, artifact=[1, 2])},
        {"measured": measured(agreement=True, failed=["a", 1])},
        {"calibration": {"samples": 5}},
        {"calibration": {"samples": "a", "chosen": 7}},
        {"calibration": {"chosen": ["training"]}},
        {"drift": {"kind": "psi", "edges": [0.1, 0.2]}, "battery_mw": 3},
    ],
)
def test_cards_of_later_versions_are_shown(
    changes: dict[str, Any], tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    path = tmp_path / "later.tflite"
    path.write_bytes(sealed(**changes))
    shown = edgernn_command("info", path)
    assert shown.exit_code == 0
    assert "exported by" in shown.stdout
    (document,) = strict_json(edgernn_command("info", path, "--json").stdout)
    for name, value in changes.items():
        found = document[name] if name in FIELDS else document["unknown"][name]
        assert found == json.loads(json.dumps(value), parse_constant=lambda _name: None)


def test_measures_that_are_known_are_shown_beside_those_that_are_not(
    tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    path = tmp_path / "later.tflite"
    path.write_bytes(sealed(measured=measured(artifact={"auc": 0.8, "accuracy": 0.75}, keras={}), drift=1))
    shown = edgernn_command("info", path).stdout
    assert "75.00% (Keras not known)" in shown
    assert "auc" not in shown
    assert "drift: written by a later version of edgernn; --json shows them" in shown


def test_the_golden_samples_of_c_source_are_those_of_its_test(
    tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    source = tmp_path / "digits-int8.c"
    source.write_bytes(sealed())
    samples = f"{CARD.golden.samples if CARD.golden else 0} samples, tolerance "
    (line,) = (each for each in edgernn_command("info", source).stdout.splitlines() if samples in each)
    assert line.endswith(", checked at export")
    (tmp_path / "digits-int8_test.c").write_text("/* … */\n#define SAMPLES 4\n")
    assert f"{line}; digits-int8_test.c has the first 4\n" in edgernn_command("info", source).stdout


def test_unknown_fields_survive_reading_and_writing() -> None:
    card = read_card(sealed(drift={"edges": [1, 2.5]}, unknown="a name that is taken here"))
    assert card.unknown == {"drift": {"edges": [1, 2.5]}, "unknown": "a name that is taken here"}
    assert read_card(seal(card.encode())) == card
    assert "unknown" not in replace(CARD).as_json()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["measured", "calibration", "later"]), st.dictionaries(st.text(max_size=4), VALUES, max_size=3))
def test_info_ends_in_lines_or_in_one_error(tmp_path: Path, name: str, value: dict[str, Any]) -> None:
    path = tmp_path / "any.tflite"
    known = dict(zip(FIELDS["measured"], value.values(), strict=False))
    path.write_bytes(sealed(**{name: value | known}))
    for option in ([], ["--json"]):
        result = CliRunner().invoke(main, ["info", str(path), *option], catch_exceptions=False)
        if result.exit_code:
            assert result.stderr.startswith("error: ")
            assert result.stderr.count("\n") == 1
        elif option:
            strict_json(result.stdout)


def test_another_format_is_refused_with_the_way_out(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "old.tflite"
    path.write_bytes(seal(Card.encode(CARD).replace(b'{"edgernn_card":2,', b'{"edgernn_card":1,')))
    assert "format 1, expected 2; export it again with edgernn" in refused("info", path)


@pytest.mark.parametrize("command", ["info", "predict", "bench", "stream"])
def test_a_file_of_another_kind_is_named_before_its_card_is_missed(
    command: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = tmp_path / "text.tflite"
    path.write_text('{"format": 1}')
    inputs = [path] if command == "predict" else []
    assert refused(command, path, *inputs).endswith(
        "text.tflite: not a .tflite file: found b'rmat' at byte 4, expected b'TFL3'"
    )


def test_a_file_without_a_card_needs_the_option_unverified(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "theirs.tflite"
    path.write_bytes(sample().read_bytes().replace(b'{"edgernn_card":', b'{"edgernn_curd":'))
    message = refused("bench", path)
    assert message.endswith(
        "no card in it, so its answers cannot be verified; if you trust the file, pass --unverified (in Python: "
        "unverified=True)"
    )


def test_a_path_that_is_no_artifact_has_a_way_out(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "model.keras").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    assert "expected .tflite or .onnx; name a file in it" in refused("bench", tmp_path)
    message = refused("predict", tmp_path / "model.keras", tmp_path / "notes.txt")
    assert message.endswith("'.keras'; expected .tflite or .onnx; `edgernn export` makes one from a Keras model")
    assert refused("info", tmp_path / "notes.txt").count("notes.txt") == 1
    (tmp_path / "digits-int8.c").write_text("int x;")
    message = refused("predict", tmp_path / "digits-int8.c", tmp_path / "notes.txt")
    assert message.endswith(
        "'.c'; expected .tflite or .onnx; C source is for a compiler, and `edgernn export --to tflite` makes a file "
        "of the same model"
    )
