"""C extensions of one function with two buffers, compiled for this processor.

A call through ctypes takes 0.3 to 2.5 µs more.
"""

import importlib.util
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.bare_subjects import Answer
from edgernn.arrays import Float32
from edgernn.errors import ModelError
from peers.registry import run_tool, temporary_file

COMPILER = "gcc"
_NAME = "bare_model"
_EXTENSION = """\
#define PY_SSIZE_T_CLEAN
#include <Python.h>
{includes}

static void answer_sample(const float *x, float *y) {{
{statements}
}}

static PyObject *answer(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {{
    Py_buffer x, y;
    if (count != 2) {{
        PyErr_SetString(PyExc_TypeError, "expected two buffers");
        return NULL;
    }}
    if (PyObject_GetBuffer(arguments[0], &x, PyBUF_SIMPLE)) return NULL;
    if (PyObject_GetBuffer(arguments[1], &y, PyBUF_WRITABLE)) {{
        PyBuffer_Release(&x);
        return NULL;
    }}
    answer_sample(x.buf, y.buf);
    PyBuffer_Release(&y);
    PyBuffer_Release(&x);
    Py_RETURN_NONE;
}}

static PyMethodDef methods[] = {{{{"answer", (PyCFunction)(void (*)(void))answer, METH_FASTCALL, NULL}}, {{NULL}}}};
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&definition); }}
"""


def compile_extension(folder: Path, source: str, statements: str, flags: Sequence[str]) -> bytes:
    """Compile C source into an extension.

    Args:
        folder: folder of the source; other files are written there.
        source: name of the source file.
        statements: C statements that read the sample `const float *x` and write the answer to `float *y`.
        flags: the compiler's options.

    Returns:
        The content of the library, without symbols.

    Raises:
        ModelError: the compiler fails.
    """
    code, target = folder / "extension.c", folder / "model.so"
    text = _EXTENSION.format(includes=f'#include "{source}"', statements=statements, name=_NAME)
    code.write_text(text, encoding="utf-8")
    include = f"-I{sysconfig.get_path('include')}"
    run_tool([COMPILER, *flags, "-shared", "-fPIC", "-s", include, code, "-o", target, "-lm"])
    return target.read_bytes()


def load_extension(data: bytes, shape: Sequence[int]) -> Answer:
    """Load the content of an extension, whose answers have this shape.

    Raises:
        ModelError: it is not an extension of this Python.
    """
    with temporary_file("model.so", data) as path:
        spec = importlib.util.spec_from_file_location(_NAME, path)
        if spec is None or spec.loader is None:
            raise ModelError(f"{path.name}: not an extension module of this Python")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    call, y = module.answer, np.empty(tuple(shape), np.float32)

    def answer(x: Float32) -> Float32:
        call(x, y)
        return y

    return answer
