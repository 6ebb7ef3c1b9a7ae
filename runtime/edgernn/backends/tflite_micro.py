"""tflite-micro: the answers of a microcontroller, computed on this machine; runs .tflite files.

Its kernels are those of the C++ library for microcontrollers, so the answers are the same; the speed is not.
"""

from typing import Any

from edgernn.backends.interpreter import Engine, TfliteBackend
from edgernn.backends.protocol import Backend
from edgernn.backends.tensor_port import TensorPort
from edgernn.backends.tflite_file import count_ports
from edgernn.errors import MissingExtraError, SettingError, first_line

# Memory for tensors; a microcontroller has less, but here there is no need to compute the minimum.
ARENA_BYTES = 8 << 20


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: tflite-micro refuses it.
        SettingError: more than one thread is asked for.
        MissingExtraError: tflite-micro is not installed.
    """
    try:
        from tflite_micro import __version__
    except ImportError as error:
        raise MissingExtraError("tflite-micro, which runs .tflite files as a microcontroller does,", "micro") from error
    if threads != 1:
        raise SettingError(f"{threads} threads; tflite-micro supports only 1")
    return TfliteBackend(f"tflite-micro {__version__}", _open_engine, data)


def _open_engine(data: bytes) -> Engine:
    from tflite_micro import runtime

    try:
        opened = runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
    except RuntimeError as error:
        raise RuntimeError(
            f"{first_line(error)}; it runs float32, int8 and int16x8, not float16 and dynamic"
        ) from error
    inputs, outputs = count_ports(data)
    return Engine(
        inputs=tuple(_port(index, opened.get_input_details(index)) for index in range(inputs)),
        outputs=tuple(_port(index, opened.get_output_details(index)) for index in range(outputs)),
        set=lambda index, values: opened.set_input(values, index),
        invoke=opened.invoke,
        get=opened.get_output,
        memory=(opened, data),
    )


def _port(index: int, details: dict[str, Any]) -> TensorPort:
    parameters = details["quantization_parameters"]
    scales, zero_points = parameters["scales"], parameters["zero_points"]
    quantization = (float(scales[0]), int(zero_points[0])) if len(scales) else (0.0, 0)
    return TensorPort(index, details["shape"], details["dtype"], quantization)
