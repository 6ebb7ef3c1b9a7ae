import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgernn.card import Card, Golden, read_card, seal
from edgernn.errors import ArtifactError
from edgernn.golden import check_golden, golden_inputs, spread
from edgernn.tasks import Task

CARD = Card(
    edgernn="0.1.0",
    name="digits",
    task=Task("classification"),
    labels=("zero", "näht", '"'),
    input_shape=(28, 28),
    input_meaning="pixel / 255",
    input_range=(0.0, 1.0),
    output_shape=(3,),
    states=((64, "int8"),),
    quantization="int8",
    layout="unrolled",
    io="float32",
    source_sha256="ab" * 32,
    parameters=6602,
    calibration={"samples": 4000, "chosen": "training samples"},
    measured={"samples": 10, "keras": {"accuracy": 0.9}},
    golden=Golden(((1, 2, 7),), 0.1, 0.1),
)
PAIR = replace(CARD, output_shape=(2,))


def container(card: Card = CARD) -> bytes:
    return seal(b"\x00head\xff" + card.encode() + b"\x00tail{}")


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_the_card_is_read_back_out_of_any_container(head: bytes, tail: bytes) -> None:
    data = head + CARD.encode() + tail
    assume(data.count(b'{"edgernn_card":') == 1)
    assert read_card(seal(data)) == CARD


def test_sealing_changes_nothing_but_the_digest() -> None:
    unsealed = b"head" + CARD.encode() + b"tail"
    sealed = seal(unsealed)
    assert len(sealed) == len(unsealed)
    assert sum(a != b for a, b in zip(sealed, unsealed, strict=True)) <= 64


@given(st.integers(0, len(container()) - 1), st.integers(1, 255))
def test_every_changed_byte_is_noticed(position: int, change: int) -> None:
    data = bytearray(container())
    data[position] ^= change
    with pytest.raises(ArtifactError):
        read_card(bytes(data))


def test_cut_and_extended_files_are_noticed() -> None:
    data = container()
    for damaged in (data[:-1], data + b"x", data[: len(data) // 2], b"", b"no card"):
        with pytest.raises(ArtifactError):
            read_card(damaged)


def test_two_cards_are_refused() -> None:
    with pytest.raises(ArtifactError, match="2 cards in the file, expected one"):
        read_card(container() * 2)


def test_another_format_is_named() -> None:
    data = container().replace(b'{"edgernn_card":1,', b'{"edgernn_card":9,')
    with pytest.raises(ArtifactError, match="format 9; this edgernn reads format 1"):
        read_card(data)


@pytest.mark.parametrize("missing", ["labels", "task", "input_shape", "golden"])
def test_a_sealed_card_that_lacks_a_field_is_refused(missing: str) -> None:
    fields = json.loads(CARD.encode())
    del fields[missing]
    with pytest.raises(ArtifactError, match=missing):
        read_card(seal(json.dumps(fields, separators=(",", ":")).encode()))


# Anything that JSON can say; a text that is a number's digits makes an integer that no float holds.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=9,
)
FIELDS = json.loads(CARD.encode())


def sealed(fields: dict[str, Any]) -> bytes:
    # The digest comes last.
    fields = {name: value for name, value in fields.items() if name != "sha256"} | {"sha256": "0" * 64}
    return seal(json.dumps(fields, separators=(",", ":")).encode("ascii"))


@given(st.sampled_from([name for name in FIELDS if name not in ("edgernn_card", "sha256")]), JSON_VALUES)
def test_whatever_a_sealed_card_says_it_is_read_or_refused_in_one_line(name: str, value: object) -> None:
    try:
        card = read_card(sealed({**FIELDS, name: value}))
    except ArtifactError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 2_500
        assert name in str(error) or "labels" in str(error)
    else:
        json.dumps(card.as_json()).encode()
        low, high = card.input_range
        assert np.isfinite(golden_inputs(1, (2,), low, high)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_shape": [1 << 20, 1 << 20]}, r"input_shape: shape \[1048576, 1048576\], expected 1 to 3 sizes"),
        ({"input_shape": [0, 28]}, "input_shape: 0, expected a whole number from 1"),
        ({"input_range": [1, 0]}, r"input_range: range \[1, 0\], expected the lowest and the highest"),
        ({"input_range": [0, 10**400]}, r"input_range: 10+\.\.\.0+, expected a number from -1e\+38 to 1e\+38"),
        ({"input_range": [float("nan"), 1]}, "input_range: nan, expected a number"),
        ({"labels": ["one"]}, "1 labels, expected 3 or none"),
        ({"name": "a\x1b[2J"}, "name: .*expected a text without control characters"),
        ({"logits": "yes"}, "logits: 'yes', expected true or false"),
        ({"output_limits": [2]}, r"output_limits: range \[2\], expected the lowest and the highest"),
        ({"input_limits": None}, "input_limits: None, expected a list"),
        ({"states": [[64, "pickle"]]}, "states: .*expected its size and float32, int8, int16"),
        ({"golden": {"outputs": [[1, 2, 7]], "unit": 0.1}}, "golden: no tolerance"),
        ({"golden": {"outputs": [[1, 2], [1]], "unit": 0.1, "tolerance": 0.1}}, "1 to 64 samples of the same number"),
        ({"golden": {"outputs": [], "unit": 0.1, "tolerance": 0.1}}, "1 to 64 samples of the same number"),
        ({"golden": {"outputs": [[1]], "unit": 0, "tolerance": 0.1}}, "golden: 0, expected a number above it"),
        ({"golden": {"outputs": [[1]], "unit": 0.1, "tolerance": 9}}, "golden: 9, expected a number from 0 to 0.1"),
        (
            {"input_shape": [1 << 23], "golden": FIELDS["golden"] | {"outputs": [[1]] * 3}},
            "more than 16,777,216 values",
        ),
        ({"measured": json.loads('{"a":' * 9 + "1" + "}" * 9)}, "measured: nested more than 8 deep"),
        ({"later": json.loads("[" * 8 + "1" + "]" * 8)}, "later: nested more than 8 deep"),
        ({"later": "\u202e"}, "later: .*expected a text without control characters"),
        ({"name": "a\u200bb"}, "name: .*expected a text without control characters"),
        ({"labels": ["a", "b", "a"]}, "labels: two labels are 'a'; expected different ones"),
        ({"labels": ["a", " ", "b"]}, "labels: label 1 is ' '; expected one line of printable text"),
        ({"labels": ["a", "b", ""]}, "labels: label 2 is ''; expected one line of printable text"),
    ],
)
def test_a_sealed_card_with_values_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        read_card(sealed(FIELDS | changes))


def test_a_sealed_card_nested_too_deeply_is_refused() -> None:
    for depth in (100, 20_000):
        text = CARD.encode().replace(b'"calibration":{', b'"calibration":{"x":' + b"[" * depth + b"]" * depth + b",")
        with pytest.raises(ArtifactError, match="damaged"):
            read_card(seal(text))


def test_one_huge_golden_answer_does_not_make_the_others_small() -> None:
    golden = Golden(((5, 5), (5, 5), (5, 10**9), (5, 5)), 0.1, 0.1)
    with pytest.raises(ArtifactError, match=r"at most 0\.1 was promised"):
        check_golden(PAIR, golden, np.full((4, 2), 0.9, np.float32), "here")


def test_golden_answers_of_another_length_are_refused() -> None:
    with pytest.raises(ArtifactError, match="3 numbers of each golden sample, expected 2"):
        check_golden(PAIR, Golden(((1, 2, 7),), 0.1, 0.1), np.zeros((1, 2), np.float32), "here")


def test_the_task_lies_flat_in_the_json() -> None:
    for task in (Task("regression"), Task("multilabel", logits=True)):
        card = replace(CARD, task=task)
        fields = json.loads(card.encode())
        assert (fields["task"], fields.get("logits", False)) == (task.kind, task.logits)
        assert card.as_json()["task"] == task.kind
        assert read_card(container(card)) == card


@pytest.mark.parametrize("inverted", [False, True])
def test_dark_ink_on_light_ground_is_said_and_its_opposite_takes_no_byte(inverted: bool) -> None:
    card = replace(CARD, inverted=inverted)
    assert (b"inverted" in card.encode()) == inverted
    assert read_card(container(card)) == card
    assert card.as_json()["inverted"] == inverted


@pytest.mark.parametrize("limits", [(None, None), ((-1.5, 2.25), None), ((0.0, 1.0), (-7.0, 7e5))])
def test_limits_of_integers_are_told_and_take_no_byte_without_them(limits: tuple[Any, Any]) -> None:
    card = replace(CARD, input_limits=limits[0], output_limits=limits[1])
    assert read_card(container(card)) == card
    fields = json.loads(card.encode())
    assert [name in fields for name in ("input_limits", "output_limits")] == [each is not None for each in limits]


def test_an_unknown_task_is_named() -> None:
    data = CARD.encode().replace(b'"task":"classification"', b'"task":"divination"')
    with pytest.raises(ArtifactError, match="'divination'; known are classification, binary, multilabel, regression"):
        read_card(seal(data))


def test_golden_inputs_are_the_documented_bits() -> None:
    # MurmurHash3's finalizer of 1 and 2, computed with Python's own integers.
    def finalize(h: int) -> int:
        h ^= h >> 16
        h = h * 0x85EBCA6B % 2**32
        h ^= h >> 13
        h = h * 0xC2B2AE35 % 2**32
        return h ^ h >> 16

    expected = [(finalize(index) >> 8) / 2**24 for index in (1, 2, 3, 4, 5, 6)]
    inputs = golden_inputs(1, (2, 3), 0.0, 1.0)
    assert inputs.dtype == np.float32
    assert inputs.ravel().tolist() == expected


@pytest.mark.parametrize("sample", range(4))
def test_in_floating_point_every_sample_must_agree(sample: int) -> None:
    golden = Golden(((5, 5),) * 4, 0.1, 1e-4)
    outputs = np.full((4, 2), 0.5, np.float32)
    check_golden(PAIR, golden, outputs, "here")
    outputs[sample, 0] += 1e-3
    with pytest.raises(ArtifactError, match=r"at most 0\.0001 was promised"):
        check_golden(PAIR, golden, outputs, "here")


def test_of_large_values_the_difference_is_relative() -> None:
    golden = Golden(((500, -2000),), 1.0, 1e-4)
    check_golden(PAIR, golden, np.array([[500.1, -2000.1]], np.float32), "here")
    with pytest.raises(ArtifactError, match=r"0\.0005 off, at most 0\.0001 was promised"):
        check_golden(PAIR, golden, np.array([[500, -2001]], np.float32), "here")


@given(st.integers(1, 200))
def test_of_many_numbers_at_most_40_are_kept_with_the_first_and_the_last(size: int) -> None:
    (kept,) = spread(np.arange(size, dtype=np.float32)[np.newaxis])
    assert len(kept) == min(size, 40)
    assert (kept[0], kept[-1]) == (0, size - 1)
    gaps = np.diff(kept)
    assert size <= 2 or gaps.max() - gaps.min() <= 1


def test_answers_a_step_are_checked_at_the_numbers_that_are_kept() -> None:
    answers = np.random.default_rng(0).random((2, 30, 3), np.float32)
    card = replace(CARD, output_shape=(30, 3))
    golden = Golden(tuple(tuple(int(value * 1e5) for value in row) for row in spread(answers)), 1e-5, 1e-4)
    check_golden(card, golden, answers, "here")
    answers[1, -1, -1] += 0.01
    with pytest.raises(ArtifactError, match="some backend misreads"):
        check_golden(card, golden, answers, "some backend")
    with pytest.raises(ArtifactError, match=r"answers with shape \(2, 3\), the card says \(2, 30, 3\)"):
        check_golden(card, golden, answers[:, 0], "some backend")


def test_one_sample_at_a_border_is_forgiven_and_two_of_three_are_not() -> None:
    golden = Golden(((5, 5),) * 3, 0.1, 0.1)
    border, right = [0.7, 0.3], [0.5, 0.5]
    check_golden(PAIR, golden, np.array([right, border, right], np.float32), "here")
    with pytest.raises(ArtifactError, match=r"0\.2 off, at most 0\.1 was promised"):
        check_golden(PAIR, golden, np.array([border, border, right], np.float32), "here")


@given(st.floats(-100, 100, width=32), st.floats(0.125, 100, width=32))
def test_golden_inputs_stay_in_their_range(low: float, span: float) -> None:
    inputs = golden_inputs(2, (5,), low, low + span)
    assert inputs.min() >= np.float32(low)
    assert inputs.max() <= np.float32(low + span) + np.float32(1e-4)


@pytest.mark.parametrize("wrong", [[[0.1, 0.2, 0.3]], [[0.1, 0.2, np.nan]], [[0.1, 0.2]]])
def test_wrong_golden_answers_are_refused(wrong: list[list[float]]) -> None:
    assert CARD.golden
    check_golden(CARD, CARD.golden, np.array([[0.15, 0.15, 0.7]], np.float32), "here")
    with pytest.raises(ArtifactError, match="some backend"):
        check_golden(CARD, CARD.golden, np.array(wrong, np.float32), "some backend")
