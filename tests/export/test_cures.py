"""A failed proof names the option that sets its limit, and the cheapest cure."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgernn_export.cures import describe_failure
from edgernn_export.formats.base import Target
from edgernn_export.proof import BrokenLimit
from edgernn_export.settings import Settings

INT8 = Target("tflite", "int8", "unrolled")


def _source(samples: int, refines: bool, refine: bool | None = None) -> Any:
    x = np.zeros((samples, 6, 3), np.float32)
    return SimpleNamespace(samples=SimpleNamespace(x_calibration=x), refines=refines, settings=Settings(refine=refine))


@pytest.mark.parametrize(
    ("source", "target", "cure"),
    [
        (_source(120, refines=True), INT8, "give more calibration samples: 120 given;"),
        (_source(12, refines=False), INT8, "give more calibration samples: 12 given, 20 are enough to refine;"),
        (_source(120, refines=False, refine=False), INT8, "leave out --no-refine;"),
        (_source(120, refines=False), INT8, "tune the weights with --refine;"),
        (_source(4000, refines=True), INT8, "choose a finer format with --quantize int16x8;"),
        (_source(4000, refines=True), Target("onnx", "int8", "operator"), "choose a finer format with --quantize flo"),
        (_source(120, refines=True), Target("tflite", "dynamic", "fused"), "choose a finer format with --quantize fl"),
    ],
)
def test_the_cheapest_cure_comes_with_the_option(source: Any, target: Target, cure: str) -> None:
    text = describe_failure(BrokenLimit("agreement with Keras is 90.00%", "--min-agreement"), source, target)
    assert text.startswith(f"agreement with Keras is 90.00%; {cure}")
    assert text.endswith("--min-agreement sets this limit, --keep-failed writes the file anyway")


def test_a_limit_without_an_option_says_so() -> None:
    text = describe_failure(BrokenLimit("differs"), _source(120, refines=True), Target("tflite", "float32", "loop"))
    assert text == "differs; this limit has no option, --keep-failed writes the file anyway"
