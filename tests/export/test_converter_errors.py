import pytest

from edgernn.errors import ModelError
from edgernn_export.converter_errors import ours_in, reason_of

KERAS = (
    "Exception encountered when calling GRU.call().\n\n\x1b[1mcannot take this\x1b[0m\n\n"
    "Arguments received by GRU.call():\n  • x=tf.Tensor(shape=(1, 12, 5), dtype=float32)\n  • mask=None"
)
TRACED = 'in user code:\n\n    File "a.py", line 3, in f  *\n        g(x)\n\n    ValueError: cannot take this\n'
NESTED = 'in user code:\n\n    File "a.py", line 3, in f  *\n        g(x)\n\n    ValueError: ' + KERAS.replace(
    "\n", "\n    "
)
MLIR = (
    'Could not translate MLIR to FlatBuffer. <unknown>:0: error: loc(callsite(fused["Sin:", "m/Sin@f"] at "x")): '
    "'tf.Betainc' op is neither a custom op nor a flex op\n<unknown>:0: note: see current operation\n"
    "error: failed while converting: 'main':\nmodule {\n}"
)
GRAPH = "{{function_node __wrapped__Reshape_device_/job}} cannot take this [Op:Reshape]"
SHAPES = "cannot take this for '{{node f/Reshape}} = Reshape[T=DT_DOUBLE](x, s)' with input shapes: [23,32,5]"


@pytest.mark.parametrize("text", [KERAS, TRACED, NESTED, GRAPH, SHAPES])
def test_only_what_is_wrong_is_left(text: str) -> None:
    assert reason_of(ValueError(text)) == "cannot take this"


def test_an_operator_that_tflite_lacks_is_named() -> None:
    assert reason_of(RuntimeError(MLIR)) == "TFLite has no operator for tf.Betainc"


def test_an_error_of_ours_is_found_below_what_wraps_it() -> None:
    wrapped = RuntimeError(KERAS)
    wrapped.__context__ = ModelError("layer 'a' is folded")  # as `raise … from None` leaves it
    assert str(ours_in(wrapped)) == "layer 'a' is folded"
    assert reason_of(wrapped) == "layer 'a' is folded"
    assert ours_in(ValueError("x")) is None
    assert reason_of(ValueError()) == "ValueError"
