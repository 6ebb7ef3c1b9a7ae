"""Our artifacts as subjects: .tflite files on native kernels and in LiteRT, C source as an extension, .onnx files."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

from common.bare_subjects import Answer, BareSubject, from_artifact
from edgernn.backends import open_artifact
from edgernn.errors import ModelError
from edgernn_export import Target, TargetResult
from edgernn_export.formats.c.naming import identifier
from peers.c_extensions import COMPILER, compile_extension, load_extension

NATIVE, LITERT = "native", "LiteRT"
# Without -ffast-math: it would change the answers.
C_FLAGS = ("-O3", "-march=native")
_INT8_STATEMENTS = """\
    int8_t rows[{macro}_STEPS][{macro}_FEATURES], out[{macro}_OUTPUTS];
    for (int t = 0; t < {macro}_STEPS; t++) {{
        {prefix}_quantize(x + t * {macro}_FEATURES, rows[t]);
    }}
    {prefix}_predict(&rows[0][0], out);
    for (int i = 0; i < {macro}_OUTPUTS; i++) {{
        y[i] = (float)(out[i] - {macro}_OUTPUT_ZERO_POINT) * {macro}_OUTPUT_SCALE;
    }}"""
_FLOAT32_STATEMENTS = "    {prefix}_predict(x, y);"


def subjects_of(result: TargetResult, classes: int) -> Iterator[tuple[str, BareSubject]]:
    """Yield the name and the subject of each way in which an artifact runs: the .tflite file first on native kernels.

    Args:
        result: a proven artifact of a classifier with one answer for the sequence.
        classes: number of its classes.

    Raises:
        ModelError: the C compiler fails.
    """
    target, path = result.target, result.path
    if target.format == "c":
        yield f"{target}, {COMPILER} {C_FLAGS[0]}", _from_source(path, target, classes)
    elif path.suffix == ".tflite":
        yield f"{target}, {NATIVE}", native_subject(path)
        yield f"{target}, {LITERT}", from_artifact(path)
    else:
        yield str(target), from_artifact(path)


def native_subject(path: Path) -> BareSubject:
    """Return the subject of a .tflite file on native kernels."""
    data = path.read_bytes()
    return BareSubject(partial(_load_native, path, data), len(data))


def _load_native(path: Path, data: bytes) -> Answer:
    # The engine's call with its checks of the input; no sum of squares is too large.
    direct = open_artifact(path, data, threads=1, backend=NATIVE).direct_predict(math.inf)
    if direct is None:
        raise ModelError(f"{path}: backend native has no direct call for it, as its input or output is not float32")
    return cast(Answer, direct)


def _from_source(path: Path, target: Target, classes: int) -> BareSubject:
    prefix = identifier(path.stem)
    statements = _INT8_STATEMENTS if target.quantization == "int8" else _FLOAT32_STATEMENTS
    content = compile_extension(path.parent, path.name, statements.format(prefix=prefix, macro=prefix.upper()), C_FLAGS)
    return BareSubject(partial(load_extension, content, (1, classes)), len(content))
