"""emx-onnx-cgen: ONNX to C, compiled for this processor, called through a C extension with two buffers."""

import importlib.util
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.bare_subjects import Answer, BareSubject
from edgernn.arrays import Float32
from edgernn.errors import ModelError
from peers import graphs
from peers.registry import SAME, Peer, by_name, run_tool, temporary_file

COMPILER = "gcc"
FLAGS = ("-O3", "-march=native", "-ffast-math")
_NAME = "emx_model"
# A call through ctypes costs 0.3 to 2.5 µs more.
_EXTENSION = """\
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "model.c"

static PyObject *answer(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Py_buffer x, y;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected two buffers");
        return NULL;
    }
    if (PyObject_GetBuffer(arguments[0], &x, PyBUF_SIMPLE)) return NULL;
    if (PyObject_GetBuffer(arguments[1], &y, PyBUF_WRITABLE)) {
        PyBuffer_Release(&x);
        return NULL;
    }
    model(x.buf, y.buf);
    PyBuffer_Release(&y);
    PyBuffer_Release(&x);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"answer", (PyCFunction)(void (*)(void))answer, METH_FASTCALL, NULL}, {NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "emx_model", NULL, -1, methods};
PyMODINIT_FUNC PyInit_emx_model(void) { return PyModule_Create(&definition); }
"""


def _compile(data: bytes, model: Any, _x_calibration: Float32) -> BareSubject:
    with temporary_file("model.onnx", data) as source:
        code, extension, target = (source.with_name(name) for name in ("model.c", "extension.c", "model.so"))
        extension.write_text(_EXTENSION, encoding="utf-8")
        # No heap, and all weights in the C file, whatever their size.
        limits = ["--large-temp-threshold", "0", "--large-weight-threshold", "0"]
        program = Path(sys.executable).parent / "emx-onnx-cgen"
        run_tool([program, "compile", source, code, "--model-name", "model", *limits])
        include = f"-I{sysconfig.get_path('include')}"
        run_tool([COMPILER, *FLAGS, "-shared", "-fPIC", "-s", include, extension, "-o", target, "-lm"])
        content = target.read_bytes()
    return BareSubject(partial(_load, content, (1, *model.outputs[0].shape[1:])), len(content))


def _load(data: bytes, shape: tuple[int, ...]) -> Answer:
    with temporary_file("model.so", data) as path:
        spec = importlib.util.spec_from_file_location(_NAME, path)
        if spec is None or spec.loader is None:
            raise ModelError(f"{path.name}: not an extension module of this Python")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    call, y = module.answer, np.empty(shape, np.float32)

    def answer(x: Float32) -> Float32:
        call(x, y)
        return y

    return answer


_peer = partial(Peer, tool="emx-onnx-cgen", page="https://pypi.org/project/emx-onnx-cgen/")
PEERS = by_name(
    _peer("emx-onnx-cgen float32, ONNX's operator", agreement=SAME, convert=graphs.operator, make=_compile),
    _peer("emx-onnx-cgen float32, Keras unroll=True", agreement=SAME, convert=graphs.unrolled, make=_compile),
)
