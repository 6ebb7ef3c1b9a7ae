"""LiteRT: runs .tflite files."""

from collections.abc import Callable
from functools import partial
from typing import Any

from edgernn.backends.interpreter import Engine, TfliteBackend
from edgernn.backends.protocol import Backend
from edgernn.backends.tensor_port import TensorPort
from edgernn.errors import MissingExtraError


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: LiteRT refuses it.
        MissingExtraError: LiteRT is not installed.
    """
    try:
        from ai_edge_litert import __version__
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("LiteRT, which runs .tflite files,", "litert") from error
    return TfliteBackend(f"litert {__version__}", partial(open_engine, Interpreter, threads), data)


def open_engine(interpreter: Callable[..., Any], threads: int, data: bytes) -> Engine:
    """Create an engine from an interpreter with the interface of TensorFlow Lite, which LiteRT also has."""
    opened = interpreter(model_content=data, num_threads=threads)
    opened.allocate_tensors()
    inputs, outputs = (
        tuple(TensorPort(each["index"], each["shape"], each["dtype"], each["quantization"]) for each in details)
        for details in (opened.get_input_details(), opened.get_output_details())
    )
    # Call the inner interpreter directly. The outer methods only add a search for views into its memory, of which there
    # are none here, and that takes a quarter of the time of a small model's step. The same since tflite-runtime 2.14.
    inner = getattr(opened, "_interpreter", None)
    if inner is None:
        put, invoke, get = opened.set_tensor, opened.invoke, opened.get_tensor
    else:
        put, invoke, get = inner.SetTensor, inner.Invoke, inner.GetTensor
    return Engine(inputs=inputs, outputs=outputs, set=put, invoke=invoke, get=get, memory=(opened, data))
