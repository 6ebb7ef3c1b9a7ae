import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgernn.card import Card, Golden, read_card, seal
from edgernn.errors import ArtifactError
from edgernn.golden import (
    check_golden,
    digest,
    digits_of,
    expected_outputs,
    golden_inputs,
    inputs_of,
    read_digits,
    spread,
    write_digits,
)
from edgernn.specs import InputSpec, OutputSpec
from edgernn.tasks import Task


def golden_of(outputs: Any, tolerance: float, **more: Any) -> Golden:
    """Golden samples of these answers, [samples, kept], with the seeds 0, 1, 2 and so on."""
    values = np.asarray(outputs, np.float64)
    low, high = float(values.min()), float(values.max())
    digits = digits_of(tolerance)
    levels = np.rint((values - low) / ((high - low) or 1) * (64**digits - 1)).astype(np.int64)
    seeds = write_digits(np.arange(len(values)), 2)
    return Golden(seeds, (write_digits(levels, digits),), ((low, high),), tolerance, **more)


CARD = Card(
    edgernn="0.1.0",
    name="digits",
    inputs=(InputSpec("input", (28, 28), meaning="pixel / 255", range=(0.0, 1.0)),),
    outputs=(OutputSpec("output", (3,), Task("classification"), labels=("zero", "näht", '"')),),
    states=((64, "int8"),),
    quantization="int8",
    layout="unrolled",
    source_sha256="ab" * 32,
    parameters=6602,
    calibration={"samples": 4000, "chosen": "training samples"},
    measured={"samples": 10, "keras": {"accuracy": 0.9}},
    golden=golden_of([[0.1, 0.2, 0.7]], 0.1),
)


def card_with(source: dict[str, Any] | None = None, target: dict[str, Any] | None = None, **changes: Any) -> Card:
    """Return the card with other values of its input, its output or itself."""
    inputs = (replace(CARD.inputs[0], **(source or {})),)
    return replace(CARD, inputs=inputs, outputs=(replace(CARD.outputs[0], **(target or {})),), **changes)


PAIR = card_with(target={"shape": (2,)})


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
    for found, remedy in (
        ("1", "export it again with edgernn 0"),
        ("3", "use the version of edgernn that exported it"),
    ):
        data = container().replace(b'{"edgernn_card":2,', f'{{"edgernn_card":{found},'.encode())
        with pytest.raises(ArtifactError, match=f"format {found}, expected 2; {remedy}"):
            read_card(data)


@pytest.mark.parametrize("missing", ["inputs", "states", "inputs/shape", "outputs/task", "golden"])
def test_a_sealed_card_that_lacks_a_field_is_refused(missing: str) -> None:
    fields = json.loads(CARD.encode())
    name, _, inner = missing.partition("/")
    if inner:
        del fields[name][0][inner]
    else:
        del fields[name]
    with pytest.raises(ArtifactError, match=f"{inner or name}' is missing"):
        read_card(seal(json.dumps(fields, separators=(",", ":")).encode()))


# Any JSON value; a text of digits becomes an integer too large for a float.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=9,
)
FIELDS = json.loads(CARD.encode())
GOLDEN = FIELDS["golden"]


def source(**changes: Any) -> dict[str, Any]:
    return {"inputs": [FIELDS["inputs"][0] | changes]}


def target(**changes: Any) -> dict[str, Any]:
    return {"outputs": [FIELDS["outputs"][0] | changes]}


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
        assert name in str(error)
    else:
        json.dumps(card.as_json()).encode()
        assert card.golden is None or np.isfinite(inputs_of(card.golden, card)[0]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (source(shape=[1 << 20, 1 << 20]), r"inputs: shape: shape \[1048576, 1048576\], expected 1 to 3 sizes"),
        (source(shape=[0, 28]), "inputs: shape: found 0, expected a whole number from 1"),
        (source(range=[1, 0]), r"inputs: range: range \[1, 0\], expected the lowest and the highest"),
        (source(range=[0, 10**400]), r"inputs: range: found 10+\.\.\.0+, expected a number from -1e\+38 to 1e\+38"),
        (source(range=[float("nan"), 1]), "inputs: range: found nan, expected a number"),
        (source(dtype="pickle"), "inputs: dtype: found 'pickle', expected float32 or int8"),
        (source(name=7), "inputs: name: found 7, expected a text"),
        (source(limits=7), "inputs: limits: found 7, expected a list"),
        (source(inverted="no"), "inputs: inverted: found 'no', expected true or false"),
        (source(offset=[1], factor=[0]), "inputs: factor: found 0, expected a number from 1e-30 to 1e\\+38"),
        (source(offset=[1], factor=[-1]), "inputs: factor: found -1, expected a number from 1e-30"),
        (source(offset=[1e39], factor=[1]), r"inputs: offset: found 1e\+39, expected a number from -1e\+38 to 1e\+38"),
        (source(offset=[1], factor=[]), "inputs: 1 offsets and 0 factors, expected as many of both"),
        (source(offset=[1] * 3, factor=[1] * 3), "inputs: offset: 3 for 28 features, expected one for each feature"),
        (source(ranges=[[0, 1]] * 27), "inputs: ranges: 27 for 28 features, expected one for each feature"),
        (source(ranges=[[1, 0]]), "inputs: ranges: range .1, 0., expected the lowest and the highest"),
        (source(features=["ax", "ay"]), "inputs: 2 names for 28 features, expected 28 or none"),
        (source(features=["ax"] * 28), "inputs: features: two features are 'ax'; expected different ones"),
        (source(features=["a\nb"]), "inputs: features: .*expected a text without control characters"),
        (source(layers=[1]), "inputs: layers: found 1, expected a text"),
        ({"inputs": []}, "inputs: found 0, expected 1 to 16"),
        ({"inputs": FIELDS["inputs"] * 17}, "inputs: found 17, expected 1 to 16"),
        ({"outputs": FIELDS["outputs"] * 2}, "outputs: found the name 'output' twice, expected different ones"),
        (
            {
                "inputs": [*FIELDS["inputs"], FIELDS["inputs"][0] | {"name": "b"}],
                "golden": GOLDEN | {"ranges": [[[0, 1]]]},
            },
            "golden: ranges of 1 inputs and 1 outputs, expected ranges of 2 inputs or none, and 1 outputs",
        ),
        (
            {"outputs": [*FIELDS["outputs"], FIELDS["outputs"][0] | {"name": "b"}]},
            "golden: ranges of 0 inputs and 1 outputs, expected ranges of 1 inputs or none, and 2 outputs",
        ),
        (target(labels=["one"]), "outputs: 1 labels, expected 3 or none"),
        (target(task="binary", labels=[]), r"outputs: binary with answers of shape \(3,\), expected one output"),
        (target(task="binary", labels=["no", "yes"]), r"binary with answers of shape \(3,\), expected one output"),
        ({"name": "a\x1b[2J"}, "name: .*expected a text without control characters"),
        (target(logits="yes"), "outputs: logits: found 'yes', expected true or false"),
        (target(limits=[2]), r"outputs: limits: range \[2\], expected the lowest and the highest"),
        ({"states": [[64, "pickle"]]}, "states: .*expected its size and float32, int8, int16"),
        (
            {"golden": {"seeds": "AA", "outputs": ["AZ/"], "between": [[0, 1]]}},
            "golden: 'tolerance' is missing; copy the file again or export it again",
        ),
        ({"golden": GOLDEN | {"seeds": "A"}}, "golden: seeds of 1 digits, expected 2 for each of 1 to 64 samples"),
        ({"golden": GOLDEN | {"seeds": "AA" * 65}}, "golden: seeds of 130 digits, expected 2"),
        ({"golden": GOLDEN | {"seeds": "AAAB", "outputs": ["AZ/"]}}, "outputs of 3 digits, expected a multiple of 2"),
        ({"golden": GOLDEN | {"outputs": [""]}}, "golden: outputs: found '', expected base64 digits"),
        ({"golden": GOLDEN | {"outputs": ["A-Z"]}}, "golden: outputs: found 'A-Z', expected base64 digits"),
        (
            {"golden": GOLDEN | {"between": [[1, 0]]}},
            r"golden: between: range \[1, 0\], expected the lowest",
        ),
        ({"golden": GOLDEN | {"between": []}}, "golden: between: 0 ranges, expected 1, one for each output"),
        ({"golden": GOLDEN | {"tolerance": 0}}, "golden: tolerance: found 0, expected a number above it"),
        ({"golden": GOLDEN | {"tolerance": 9}}, "golden: tolerance: found 9, expected a number from 0 to 0.1"),
        ({"golden": GOLDEN | {"ranges": [[[0, 1]] * 33]}}, "golden: ranges: 33 ranges of an input, expected 1 to 32"),
        (
            {"golden": GOLDEN | {"digests": ["0" * 7]}},
            "golden: digests: found .*expected at most 2 of 8 hex",
        ),
        ({"golden": GOLDEN | {"kernels": "a\nb"}}, "golden: kernels: .*expected a text without control characters"),
        (
            source(shape=[1 << 23]) | {"golden": GOLDEN | {"seeds": "AA" * 3, "outputs": ["AAA"]}},
            "expected at most 4,194,304 values and 131,072 rows",
        ),
        ({"measured": json.loads('{"a":' * 9 + "1" + "}" * 9)}, "measured: nested more than 8 deep"),
        ({"later": json.loads("[" * 8 + "1" + "]" * 8)}, "later: nested more than 8 deep"),
        ({"later": "\u202e"}, "later: .*expected a text without control characters"),
        ({"name": "a\u200bb"}, "name: .*expected a text without control characters"),
        (source(own_shape=[7, 3, 2]), r"inputs: own_shape \[7, 3, 2\] for shape .*expected as many values"),
        (target(labels=["a", "b", "a"]), "outputs: labels: two labels are 'a'; expected different ones"),
        (target(labels=["a", " ", "b"]), "outputs: labels: label 1 is ' '; expected one line of printable text"),
        (target(labels=["a", "b", ""]), "outputs: labels: label 2 is ''; expected one line of printable text"),
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
    golden = golden_of([[0.5, 0.5], [0.5, 0.5], [0.5, 1e8], [0.5, 0.5]], 0.1)
    with pytest.raises(ArtifactError, match=r"at most 0\.1 was promised"):
        check_golden(PAIR, golden, (np.full((4, 2), 0.9, np.float32),), "here")


@pytest.mark.parametrize(("outputs", "tolerance"), [("AAA", 0.1), ("AAAA", 1e-4), ("A" * 9, 1e-4)])
def test_golden_answers_of_another_length_are_refused(outputs: str, tolerance: float) -> None:
    golden = Golden("AA", (outputs,), ((0, 1),), tolerance)
    with pytest.raises(ArtifactError, match=f"{len(outputs)} digits of outputs, expected . for each of 1 to 2 numbers"):
        check_golden(PAIR, golden, (np.zeros((1, 2), np.float32),), "here")


def test_the_task_lies_flat_in_the_json() -> None:
    for task in (Task("regression"), Task("multilabel", logits=True)):
        card = card_with(target={"task": task})
        (fields,) = json.loads(card.encode())["outputs"]
        assert (fields["task"], fields.get("logits", False)) == (task.kind, task.logits)
        assert card.as_json()["outputs"][0]["task"] == task.kind
        assert read_card(container(card)) == card


@pytest.mark.parametrize(
    ("name", "usual", "other"),
    [
        ("name", "input", "image"),
        ("dtype", "float32", "int8"),
        ("meaning", "", "m/s²"),
        ("limits", None, (-1.5, 2.25)),
        ("inverted", False, True),
        ("offset", (), (0.1, -2.5) * 14),
        ("factor", (), (1e-3, 7.0) * 14),
        ("ranges", (), ((-20.0, 20.0),) * 28),
        ("layers", (), ("Normalization",)),
        ("features", (), tuple(f"pixel{column}" for column in range(28))),
    ],
)
def test_a_usual_value_takes_no_byte_and_another_is_read_back(name: str, usual: Any, other: Any) -> None:
    for value in (usual, other):
        partner = {"offset": "factor", "factor": "offset"}.get(name)  # one needs the other
        card = card_with(source={name: value} | ({partner: (1.0,) * len(value)} if partner else {}))
        assert (name in json.loads(card.encode())["inputs"][0]) == (value != usual)
        assert read_card(container(card)) == card
        assert name in card.as_json()["inputs"][0]


def test_several_inputs_and_outputs_are_read_back() -> None:
    inputs = (*CARD.inputs, InputSpec("speed", (28, 2), range=(-3.0, 3.0), limits=(-2.0, 2.0)))
    outputs = (*CARD.outputs, OutputSpec("risk", (1,), Task("binary", logits=True), labels=("no", "yes")))
    golden = Golden("AAAB", ("AZ/+AZ", "AB"), ((0, 1), (-2, 2)), 0.1, ranges=(((0, 1),), ((-3, 3), (0, 1))))
    card = replace(CARD, inputs=inputs, outputs=outputs, golden=golden)
    assert read_card(container(card)) == card
    first, second = inputs_of(golden, card)
    assert (first.shape, second.shape) == ((2, 28, 28), (2, 28, 2))
    np.testing.assert_array_equal(first, inputs_of(replace(golden, ranges=()), CARD)[0])
    assert second[..., 0].min() < -2
    assert second[..., 1].min() >= 0
    # Both inputs count on in one sequence of hashes, so none repeats the other.
    assert abs(np.corrcoef(first[0, :, 0], second[0, :, 0])[0, 1]) < 0.9
    answers = expected_outputs(golden)
    assert [each.shape for each in answers] == [(2, 3), (2, 1)]
    check_golden(card, golden, answers, "here")
    for wrong in ((answers[0], answers[1] + 1), (answers[0] + 1, answers[1]), answers[:1]):
        with pytest.raises(ArtifactError, match="here"):
            check_golden(card, golden, wrong, "here")


def test_an_unknown_task_is_named() -> None:
    data = CARD.encode().replace(b'"task":"classification"', b'"task":"divination"')
    with pytest.raises(ArtifactError, match="'divination'; expected classification, binary, multilabel, regression"):
        read_card(seal(data))


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4_095])
def test_golden_inputs_are_the_documented_bits(seed: int) -> None:
    # MurmurHash3's finalizer, computed with Python's own integers.
    def finalize(h: int) -> int:
        h %= 2**32
        h ^= h >> 16
        h = h * 0x85EBCA6B % 2**32
        h ^= h >> 13
        h = h * 0xC2B2AE35 % 2**32
        return (h ^ h >> 16) >> 10

    steps, features = 6, 2
    values = [finalize(seed * 0x9E3779B9 + i) for i in range(1, (steps + 4) * features + 1)]
    noise, held = values[: steps * features], values[steps * features :]
    share = seed % 4
    expected = [
        (share * held[step * 4 // steps * features + feature] + (4 - share) * noise[step * features + feature]) / 2**24
        for step in range(steps)
        for feature in range(features)
    ]
    inputs = golden_inputs([seed], (steps, features), 0.0, 1.0)
    assert inputs.dtype == np.float32
    assert inputs.ravel().tolist() == expected


def test_each_feature_has_its_range_and_neighbours_may_share_one() -> None:
    card = card_with({"shape": (50, 5), "range": (-9.0, 9.0)})
    golden = replace(golden_of([[0.1], [0.2]], 0.1), ranges=(((0, 1), (100, 200)),))
    (inputs,) = inputs_of(golden, card)
    assert inputs.shape == (2, 50, 5)
    assert 0 <= inputs[..., :3].min() < 0.1
    assert 0.9 < inputs[..., :3].max() <= 1
    assert 100 <= inputs[..., 3:].min() < 110
    assert 190 < inputs[..., 3:].max() <= 200
    assert inputs_of(replace(golden, ranges=()), card)[0].min() < -8


@given(st.integers(1, 3).flatmap(lambda digits: st.tuples(st.just(digits), st.lists(st.integers(0, 64**digits - 1)))))
def test_whole_numbers_are_read_back_out_of_their_digits(case: tuple[int, list[int]]) -> None:
    digits, values = case
    text = write_digits(np.array(values, np.int64), digits)
    assert len(text) == digits * len(values)
    assert read_digits(text, digits).tolist() == values


@pytest.mark.parametrize(("tolerance", "off"), [(0.1, 1 / 126), (1e-4, 1 / 2**19)])
def test_outputs_are_written_as_finely_as_the_tolerance_needs(tolerance: float, off: float) -> None:
    values = np.random.default_rng(0).random((5, 3))
    span = np.ptp(values)
    (expected,) = expected_outputs(golden_of(values, tolerance))
    assert expected.shape == (5, 3)
    np.testing.assert_allclose(expected, values, rtol=1e-6, atol=1.01 * off * span)


@pytest.mark.parametrize("sample", range(4))
def test_in_floating_point_every_sample_must_agree(sample: int) -> None:
    golden = golden_of([[0.5, 0.5]] * 4, 1e-4)
    outputs = np.full((4, 2), 0.5, np.float32)
    check_golden(PAIR, golden, (outputs,), "here")
    outputs[sample, 0] += 1e-3
    with pytest.raises(ArtifactError, match=r"at most 0\.0001 was promised"):
        check_golden(PAIR, golden, (outputs,), "here")


def test_of_large_values_the_difference_is_relative() -> None:
    golden = golden_of([[500, -2000]], 1e-4)
    check_golden(PAIR, golden, (np.array([[500.1, -2000.1]], np.float32),), "here")
    with pytest.raises(ArtifactError, match=r"0\.0005 off, at most 0\.0001 was promised"):
        check_golden(PAIR, golden, (np.array([[500, -2001]], np.float32),), "here")


@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 4095))
def test_of_many_numbers_some_are_kept_evenly_spread(size: int, kept: int, seed: int) -> None:
    kept = min(size, kept)
    numbers = np.arange(size, dtype=np.float32)
    (found,) = spread(numbers[np.newaxis], kept, [seed])
    assert len(set(found)) == kept
    assert found.tolist() == sorted(found)
    gaps = np.diff([*found, found[0] + size])
    assert gaps.max() - gaps.min() <= 1
    # With as many seeds as numbers, each number is selected.
    every = spread(np.tile(numbers, (size, 1)), kept, np.arange(size) + seed)
    assert set(every.ravel()) == set(numbers)


def test_answers_a_step_are_checked_at_the_numbers_that_are_kept() -> None:
    answers = np.random.default_rng(0).random((2, 30, 3), np.float32)
    card = card_with(target={"shape": (30, 3)})
    golden = golden_of(spread(answers, 10, [0, 1]), 1e-4)
    check_golden(card, golden, (answers,), "here")
    answers[1, 0, 1] += 0.01
    with pytest.raises(ArtifactError, match="some backend misreads"):
        check_golden(card, golden, (answers,), "some backend")
    with pytest.raises(ArtifactError, match=r"answers with shape \(2, 3\), its card expects \(2, 30, 3\)"):
        check_golden(card, golden, (answers[:, 0],), "some backend")


@pytest.mark.parametrize(
    ("off", "refused"),
    [
        ([0, 0, 0, 0], False),
        ([0.09, 0.09, 0.09, 0.09], False),
        ([0, 0.29, 0, 0], False),
        ([0, 0.31, 0, 0], True),
        ([0, 0.11, 0, 0.11], True),
        ([0.29, 0, 0.29, 0], True),
        ([0, np.nan, 0, 0], True),
    ],
)
def test_where_activations_are_rounded_one_sample_at_a_border_is_forgiven(off: list[float], refused: bool) -> None:
    golden = golden_of([[0, 1]] * 4, 0.1)
    outputs = np.array([[0, 1 - each] for each in off], np.float32)
    if not refused:
        check_golden(PAIR, golden, (outputs,), "here")
        return
    with pytest.raises(ArtifactError, match=r"at most 0\.1 was promised"):
        check_golden(PAIR, golden, (outputs,), "here")


def test_of_few_samples_none_is_forgiven() -> None:
    golden = golden_of([[0, 1]] * 3, 0.1)
    with pytest.raises(ArtifactError, match=r"0\.2 off, at most 0\.1 was promised"):
        check_golden(PAIR, golden, (np.array([[0, 1], [0, 0.8], [0, 1]], np.float32),), "here")


@pytest.mark.parametrize("streamed", [False, True])
def test_the_same_kernels_must_give_the_digest_and_others_need_not(streamed: bool) -> None:
    right = {False: np.array([[0, 1]] * 4, np.float32), True: np.array([[0, 0.98]] * 4, np.float32)}
    digests = (digest((right[False],)), digest((right[True],)))
    golden = golden_of([[0, 1]] * 4, 0.1, kernels="here 0.1 00000000", digests=digests)
    asked: list[bool] = []

    def same_kernels() -> bool:
        asked.append(True)
        return True

    check_golden(PAIR, golden, (right[streamed],), "here", streamed=streamed, same_kernels=same_kernels)
    assert not asked
    check_golden(PAIR, golden, (right[not streamed],), "here", streamed=streamed)
    with pytest.raises(
        ArtifactError, match="damaged: here answers the golden samples differently from the same kernels"
    ):
        check_golden(PAIR, golden, (right[not streamed],), "here", streamed=streamed, same_kernels=same_kernels)
    assert asked


def test_one_digest_stands_for_sequences_and_streams_that_give_the_same_bits() -> None:
    answers = np.array([[0, 1]] * 4, np.float32)
    golden = golden_of(answers, 0.1, kernels="here 0.1 00000000", digests=(digest((answers,)),))
    for streamed in (False, True):
        check_golden(PAIR, golden, (answers,), "here", streamed=streamed)
        with pytest.raises(ArtifactError, match="damaged"):
            check_golden(PAIR, golden, (0.99 * answers,), "here", streamed=streamed, same_kernels=lambda: True)


def test_a_digest_does_not_tell_last_bits_of_a_float_and_tells_a_step_of_int8() -> None:
    answers = np.random.default_rng(0).integers(0, 256, (8, 10)).astype(np.float32) / 256
    assert digest((np.nextafter(answers, np.float32(2)),)) == digest((answers,))
    for step in (1 / 256, -1 / 256):
        changed = answers.copy()
        changed[7, 9] += np.float32(step)
        assert digest((changed,)) != digest((answers,))


@pytest.mark.parametrize(
    "more", [{}, {"ranges": (((0.0, 1.0), (2.0, 3.5)),), "kernels": "a 1 0", "digests": ("0" * 8,)}]
)
def test_what_golden_samples_do_not_say_takes_no_byte(more: dict[str, Any]) -> None:
    card = replace(CARD, golden=golden_of([[0.1, 0.2, 0.7]], 0.1, **more))
    assert (json.loads(card.encode())["golden"].keys() >= {"ranges", "kernels", "digests"}) == bool(more)
    assert read_card(container(card)) == card


@given(st.floats(-100, 100, width=32), st.floats(0.125, 100, width=32), st.integers(0, 4095))
def test_golden_inputs_stay_in_their_range(low: float, span: float, seed: int) -> None:
    inputs = golden_inputs([seed], (9, 3), low, low + span)
    assert inputs.min() >= np.float32(low)
    assert inputs.max() <= np.float32(low + span) + np.float32(1e-4)


@pytest.mark.parametrize("wrong", [[[0.1, 0.2, 0.3]], [[0.1, 0.2, np.nan]], [[0.1, 0.2]]])
def test_wrong_golden_answers_are_refused(wrong: list[list[float]]) -> None:
    assert CARD.golden
    check_golden(CARD, CARD.golden, (np.array([[0.15, 0.15, 0.7]], np.float32),), "here")
    with pytest.raises(ArtifactError, match="some backend"):
        check_golden(CARD, CARD.golden, (np.array(wrong, np.float32),), "some backend")
