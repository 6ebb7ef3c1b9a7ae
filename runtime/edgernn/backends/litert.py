"""LiteRT: runs .tflite files."""

from functools import partial
from importlib.metadata import version

from edgernn.backends import Backend
from edgernn.backends.interpreter import Interpreted
from edgernn.errors import MissingExtraError


def open_artifact(data: bytes, threads: int) -> Backend:
    """Open the content of a .tflite file.

    Raises:
        ArtifactError: LiteRT refuses it, or it has not one input and output.
        MissingExtraError: LiteRT is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError("LiteRT, which runs .tflite files,", "litert") from error
    return Interpreted(f"litert {version('ai-edge-litert')}", partial(Interpreter, num_threads=threads), data)
