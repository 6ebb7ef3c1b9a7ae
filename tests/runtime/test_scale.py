"""Raw numbers in: the scale in a card is applied by `predict` and streams."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgernn
from edgernn.bench.subjects import usual_input
from edgernn.console.described import describe_card
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


RANGES = tuple((float(low), float(low) + 100) for low in range(-50, -22))
NAMES = tuple(f"f{number}" for number in range(28))


def centred(**changes: object) -> edgernn.Model:
    """Load a model of 28 features with a range each, in raw numbers."""
    offset, factor = tuple((low + high) / 2 for low, high in RANGES), (0.0078125,) * 28
    scale = {"meaning": STANDARDIZED, "offset": offset, "factor": factor}
    return model_with(**{**scale, "ranges": RANGES, **changes})


@pytest.mark.parametrize(
    ("changes", "name", "check"),
    [
        ({"features": NAMES}, "'f4'", "its unit"),
        ({}, "4", "its unit"),
        ({"offset": (), "factor": (), "meaning": "m/s²"}, "4", r"its unit and scaling"),
    ],
)
def test_a_number_far_outside_is_reported_once_with_its_feature(
    changes: dict[str, object], name: str, check: str
) -> None:
    model = centred(**changes)
    x = np.array([low + 50 for low, _ in RANGES], np.float32) * np.ones((28, 1), np.float32)
    x[3, 4] = 153.5  # the range of feature 4 is -46 to 54, wider by 100 on both sides
    model.predict(x)
    x[3, 4] = 154.5
    message = (
        rf"^feature {name} is 154\.5, far from -46 to 54, .*calibrated on.*; check {check}; this is reported once$"
    )
    for call in (model.predict, model.stream().push_many):
        with pytest.warns(edgernn.InputWarning, match=message) as reported:
            first = call(x)
        assert len(reported) == 1
        assert reported[0].filename == __file__
        call(x)  # a second warning would be an error
        x[3, 5] = np.nan
        with pytest.raises(edgernn.InputError, match="NaN"):
            call(x)
        x[3, 5] = 0
        assert np.isfinite(first).all()


def test_ranges_that_all_exclude_zero_are_watched_as_well() -> None:
    model = model_with(meaning="hPa", ranges=((95_000.0, 105_000.0),) * 28)
    x = np.full((28, 28), 101_325, np.float32)
    model.predict(x)
    x[0, 27] = 1013.25
    with pytest.warns(edgernn.InputWarning, match=r"feature 27 is 1013\.25, far from 95000 to 105000"):
        model.predict(x)


def test_an_input_without_ranges_of_features_is_reported_by_the_range_of_all() -> None:
    model = model_with(meaning="m/s²", range=(-3.0, 4.0))
    model.predict(np.full((28, 28), 10, np.float32))
    with pytest.warns(
        edgernn.InputWarning, match=r"feature 0 is 980, far from -3 to 4, .* \(m/s²\); check its unit and"
    ):
        model.predict(np.full((28, 28), 980))


def test_the_description_names_features_and_scale() -> None:
    model = centred(features=NAMES, layers=("Rescaling",))
    assert model.card is not None
    lines = describe_card(model.card)
    assert lines["features"].startswith("f0 -50 to 50, f1 -49 to 51, ")
    assert lines["features"].endswith(", f11 -39 to 61, … and 16 more; --json shows them")
    assert lines["scale"] == "edgernn takes raw numbers; the file takes them standardized: (x - mean) / std"
    assert lines["scaled by"] == "Rescaling in the model"
    plain = edgernn.load(edgernn.sample()).card
    assert plain is not None
    assert not {"features", "scale", "scaled by"} & describe_card(plain).keys()
