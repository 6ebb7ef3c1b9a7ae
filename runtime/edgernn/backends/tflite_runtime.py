"""tflite-runtime: LiteRT's predecessor, which has wheels for 32-bit Arm; runs .tflite files.

Its last release, 2.14 of 2023, is for Python up to 3.11 and NumPy 1. It misreads int8 weights with float activations
(quantization dynamic), which the golden samples detect.
"""

from functools import partial

import numpy as np

from edgernn.backends.interpreter import TfliteBackend
from edgernn.backends.litert import open_engine
from edgernn.backends.protocol import Backend
from edgernn.errors import MissingExtraError


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: tflite-runtime refuses it.
        MissingExtraError: tflite-runtime is not installed, or NumPy is too new for it.
    """
    try:
        from tflite_runtime import __version__
        from tflite_runtime.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("tflite-runtime, which runs .tflite files,", "tflite") from error
    if not np.__version__.startswith("1."):
        # Otherwise it writes a page of text to standard error and raises a SystemError.
        raise MissingExtraError(f"NumPy {np.__version__} is too new for tflite-runtime; a NumPy before 2", "tflite")
    return TfliteBackend(f"tflite-runtime {__version__}", partial(open_engine, Interpreter, threads), data)
