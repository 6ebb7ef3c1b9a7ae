"""Raw numbers in: the scale in a card is applied by `predict` and streams."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgernn
from edgernn.bench.subjects import usual_input
from edgernn.inputs import scale_features
from edgernn.specs import STANDARDIZED, InputSpec

DIGITS = np.load(edgernn.sample().with_name("digits.npy"))
RNG = np.random.default_rng(0)
OFFSET = tuple(RNG.uniform(-50, 50, 28).astype(np.float32).tolist())
FACTOR = tuple(RNG.uniform(0.01, 3, 28).astype(np.float32).tolist())


def model_with(**changes: object) -> edgernn.Model:
    """Load the artifact in the wheel as if its card had other values of its input."""
    model = edgernn.load(edgernn.sample())
    assert model.card is not None
    spec = replace(model.card.inputs[0], **changes)  # type: ignore[arg-type]
    return edgernn.Model(model.path, replace(model.card, inputs=(spec,)), model._executor)


@pytest.fixture(scope="module")
def plain() -> edgernn.Model:
    return edgernn.load(edgernn.sample())


@pytest.mark.parametrize(
    ("offset", "factor"), [(OFFSET, FACTOR), ((128.0,), (0.0078125,))], ids=["for each feature", "for all"]
)
def test_raw_numbers_get_the_answers_of_scaled_ones(
    plain: edgernn.Model, offset: Sequence[float], factor: Sequence[float]
) -> None:
    model = model_with(meaning=STANDARDIZED, offset=offset, factor=factor)
    raw = (DIGITS / 255 / np.array(factor) + np.array(offset)).astype(np.float32)
    # The definition, one operation after the other.
    scaled = np.multiply(np.subtract(raw, np.array(offset, np.float32)), np.array(factor, np.float32))
    assert scaled.dtype == np.float32
    expected = plain.predict(scaled)
    np.testing.assert_array_equal(model.predict(raw), expected)
    np.testing.assert_array_equal(model.predict(raw.astype(np.float64)), expected)
    np.testing.assert_array_equal(model.predict(raw[3]), expected[3])
    np.testing.assert_array_equal(model.predict(np.asfortranarray(raw[3])), expected[3])
    assert model.classify(raw[3]) == plain.classify(scaled[3])
    stream = model.stream()
    for row in raw[7]:
        answer = stream.push(row)
    np.testing.assert_array_equal(answer, expected[7])
    np.testing.assert_array_equal(stream.answer(raw[7]), expected[7])


def test_every_type_of_number_is_raw(plain: edgernn.Model) -> None:
    model = model_with(meaning=STANDARDIZED, offset=(0.0,), factor=(float(np.float32(1 / 255)),))
    expected = plain.predict(DIGITS.astype(np.float32) * np.float32(1 / 255))
    for kind in (np.uint8, np.int16, np.float16, np.float64):
        np.testing.assert_array_equal(model.predict(DIGITS.astype(kind)), expected)


def test_raw_numbers_are_checked() -> None:
    model = model_with(meaning=STANDARDIZED, offset=OFFSET, factor=FACTOR)
    for wrong in (np.nan, np.inf, 3e38):  # the last one is too large only after it is scaled
        x = np.zeros((28, 28), np.float32)
        x[3, int(np.argmax(FACTOR))] = wrong
        with pytest.raises(edgernn.InputError, match="contains NaN or infinity, or a number too large"):
            model.predict(x)
        with pytest.raises(edgernn.InputError, match="contains NaN or infinity, or a number too large"):
            model.stream().push(x[3])


def test_generated_inputs_are_raw() -> None:
    ranges = tuple((offset, offset + 1) for offset in OFFSET)
    x = usual_input(model_with(meaning=STANDARDIZED, offset=OFFSET, factor=FACTOR, ranges=ranges))
    assert (x >= OFFSET).all()
    assert (x <= np.array(OFFSET) + 1).all()
    unknown = usual_input(model_with(meaning=STANDARDIZED, offset=OFFSET, factor=FACTOR))
    scaled = (unknown - np.array(OFFSET)) * FACTOR
    assert (scaled.min(), scaled.max()) == pytest.approx((0, 1), abs=0.01)


@given(
    st.floats(-1e6, 1e6, width=32),
    st.floats(-1e6, 1e6, width=32),
    st.floats(0.0009765625, 1024, width=32),
)
def test_the_difference_is_rounded_before_the_product(x: float, offset: float, factor: float) -> None:
    number, first, second = (np.array([value], np.float32) for value in (x, offset, factor))
    found = scale_features(number, first, second)
    expected = np.float32(np.float64(np.float32(np.float64(x) - np.float64(offset))) * np.float64(factor))
    assert found[0] == expected


def test_a_spec_without_a_scale_is_that_of_the_file() -> None:
    spec = InputSpec(shape=(28, 2), range=(-2.0, 2.0), offset=(1.0, 5.0), factor=(1.0, 0.5), ranges=((0, 1), (3, 9)))
    assert spec.raw_ranges == ((0, 1), (3, 9))
    assert replace(spec, ranges=()).raw_ranges == ((-1, 3), (1, 9))
    assert spec.without_scale.raw_ranges == ((-2, 2),)
    assert spec.without_scale == InputSpec(shape=(28, 2), range=(-2.0, 2.0))
