"""The names of arrays mean the same to `export`, to `predict` and to `predict --expect`."""

import pytest

from edgernn.data.array_names import Part, find_parts, find_test_inputs, find_test_truths
from edgernn.errors import DataError


@pytest.mark.parametrize(
    ("names", "calibration", "test"),
    [
        ("x y", Part("x", "y"), Part("x", "y")),
        ("X Y LABELS", Part("X", "Y"), Part("X", "Y")),
        ("X_TEST Y_TEST", Part("X_TEST", "Y_TEST"), Part("X_TEST", "Y_TEST")),
        ("image y labels", Part("image", "y"), Part("image", "y")),
        ("x_train y_train x_test y_test", Part("x_train", "y_train"), Part("x_test", "y_test")),
        ("x_train y_train", Part("x_train", "y_train"), Part("x_train", "y_train")),
        ("x_calibration x_train x_test", Part("x_calibration", None), Part("x_test", None)),
        ("x x_test y", Part("x", "y"), Part("x_test", None)),
        ("x_test.speed", Part("x_test.speed", None), Part("x_test.speed", None)),
    ],
)
def test_every_command_chooses_the_same_arrays(names: str, calibration: Part, test: Part) -> None:
    assert find_parts(names.split()) == (calibration, test)
    assert find_test_inputs(names.split()) == test.x
    if test.y:
        assert find_test_truths(names.split()) == test.y
    elif " " in names:
        with pytest.raises(DataError, match=r"contains .*; y_test, the right answers to x_test, missing"):
            find_test_truths(names.split())


@pytest.mark.parametrize(("names", "truths"), [("y_test y_train", "y_test"), ("y labels", "y"), ("answers", "answers")])
def test_truths_may_be_in_a_file_without_inputs(names: str, truths: str) -> None:
    assert find_test_truths(names.split()) == truths
    with pytest.raises(DataError, match="expected y_test, or y, or a single array"):
        find_test_truths(["answers", "labels"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("X_TEST x_test", "contains X_TEST and x_test, which differ only in case; remove one of them"),
        ("x_test x_test.image", r"contains x_test\.image; expected x_test alone: models have one input"),
        ("x_test.image y_test", r"contains x_test\.image; expected x_test alone"),
        ("x y_test", "contains x, y_test; x_test missing"),
    ],
)
def test_names_that_are_not_clear_are_refused_everywhere(names: str, message: str) -> None:
    for find in (find_parts, find_test_inputs, find_test_truths):
        with pytest.raises(DataError, match=message):
            find(names.split())
