/* The Python module edgernn._native. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpu.h"

PyDoc_STRVAR(instruction_sets_doc,
             "instruction_sets() -> tuple[str, ...]\n--\n\n"
             "Return the instruction sets that this machine can run, best last; the first is 'scalar'.");

static PyObject *instruction_sets(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    const unsigned found = edgernn_instruction_sets();
    PyObject *names = PyList_New(0);
    if (names == NULL) return NULL;
    for (unsigned each = EDGERNN_SCALAR; each <= EDGERNN_LAST_INSTRUCTION_SET; each <<= 1) {
        if (!(found & each)) continue;
        PyObject *name = PyUnicode_FromString(edgernn_instruction_set_name(each));
        const int failed = name == NULL || PyList_Append(names, name) < 0;
        Py_XDECREF(name);
        if (failed) {
            Py_DECREF(names);
            return NULL;
        }
    }
    PyObject *found_names = PyList_AsTuple(names);
    Py_DECREF(names);
    return found_names;
}

static PyMethodDef functions[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS, instruction_sets_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edgernn._native",
    .m_doc = "Kernels in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
