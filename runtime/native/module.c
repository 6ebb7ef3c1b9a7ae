/* The Python module edgernn._native: programs, and the instruction sets that can run them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "cpu.h"
#include "engine.h"

/* From this number of samples on, a call releases Python's lock, so that other threads can run. To release and acquire it
takes less time than one sample. */
#define RELEASE_FROM_SAMPLES 8

typedef struct {
    PyObject_HEAD
    edgernn_program *program;
    edgernn_sizes sizes;
    const edgernn_kernels *kernels;
} Program;

/* Returns the kernels of an instruction set, of the best one if the name is empty; NULL if this machine lacks it. */
static const edgernn_kernels *find_kernels(const char *name) {
    const unsigned found = edgernn_instruction_sets();
    const edgernn_kernels *best = NULL;
    for (unsigned each = EDGERNN_SCALAR; each <= EDGERNN_LAST_INSTRUCTION_SET; each <<= 1) {
        const edgernn_kernels *kernels = found & each ? edgernn_kernels_of(each) : NULL;
        if (kernels && (!name[0] || strcmp(name, kernels->name) == 0)) {
            best = kernels;
        }
    }
    return best;
}

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
        if (!(found & each) || !edgernn_kernels_of(each)) continue;
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

static PyObject *new_program(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"plan", "constants", "instruction_set", NULL};
    Py_buffer plan, constants;
    const char *instruction_set = "";
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*y*|s", names, &plan, &constants, &instruction_set)) {
        return NULL;
    }
    Program *self = NULL;
    const edgernn_kernels *kernels = find_kernels(instruction_set);
    const char *reason = NULL;
    edgernn_program *program = NULL;
    if (!kernels) {
        PyErr_Format(PyExc_ValueError, "this machine has no instruction set '%s'", instruction_set);
    } else if (plan.len % 4 || (uintptr_t)plan.buf % 4) {
        PyErr_SetString(PyExc_ValueError, "the plan is not a list of 32-bit integers");
    } else {
        program = edgernn_open(plan.buf, (size_t)plan.len / 4, constants.buf, (size_t)constants.len, kernels, &reason);
        if (!program) {
            PyErr_SetString(PyExc_ValueError, reason);
        }
    }
    PyBuffer_Release(&plan);
    PyBuffer_Release(&constants);
    if (!program) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    self = (Program *)allocate(type, 0);
    if (!self) {
        edgernn_close(program);
        return NULL;
    }
    self->program = program;
    self->kernels = kernels;
    edgernn_get_sizes(program, &self->sizes);
    return (PyObject *)self;
}

static void delete_program(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    edgernn_close(((Program *)self)->program);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Gets a buffer of exactly `count` × `bytes` bytes, aligned for float32. */
static int get_buffer(PyObject *object, Py_buffer *buffer, int flags, size_t count, size_t bytes, const char *name) {
    if (bytes && count > (size_t)PY_SSIZE_T_MAX / bytes) {
        PyErr_Format(PyExc_ValueError, "%s: %zu times %zu bytes are too many", name, count, bytes);
        return -1;
    }
    bytes *= count;
    if (PyObject_GetBuffer(object, buffer, flags) < 0) {
        return -1;
    }
    if ((size_t)buffer->len != bytes || (uintptr_t)buffer->buf % 4) {
        PyErr_Format(PyExc_ValueError, "%s has %zd bytes, expected %zu at a multiple of 4", name, buffer->len, bytes);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

static PyObject *answer_of(edgernn_status status) {
    switch (status) {
        case EDGERNN_OK: Py_RETURN_TRUE;
        case EDGERNN_NOT_USUAL: Py_RETURN_FALSE;
        case EDGERNN_NO_MEMORY: break;
    }
    return PyErr_NoMemory();
}

/* Runs samples, and lets other threads run beside many. */
static edgernn_status run_samples(const Program *self, const void *x, size_t samples, void *answers,
                                  const float *max_square) {
    if (samples < RELEASE_FROM_SAMPLES) {
        return edgernn_run(self->program, x, samples, answers, max_square);
    }
    edgernn_status status;
    Py_BEGIN_ALLOW_THREADS
    status = edgernn_run(self->program, x, samples, answers, max_square);
    Py_END_ALLOW_THREADS
    return status;
}

PyDoc_STRVAR(run_doc,
             "run(samples, x, answers) -> bool\n--\n\n"
             "Answer sequences.\n\n"
             "Args:\n"
             "    samples: their number.\n"
             "    x: buffer of samples x steps x row_bytes bytes.\n"
             "    answers: writable buffer of samples x answer_bytes bytes.\n\n"
             "Returns:\n"
             "    False, without an answer, if x contains NaN or infinity.");

static PyObject *run(PyObject *object, PyObject *const *arguments, Py_ssize_t given) {
    Program *self = (Program *)object;
    const Py_ssize_t samples = given == 3 ? PyLong_AsSsize_t(arguments[0]) : -1;
    if (samples < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "expected the number of samples, x and answers");
        }
        return NULL;
    }
    Py_buffer x, answers;
    const size_t count = (size_t)samples;
    if (get_buffer(arguments[1], &x, PyBUF_SIMPLE, count, self->sizes.steps * self->sizes.row_bytes, "x") < 0) {
        return NULL;
    }
    if (get_buffer(arguments[2], &answers, PyBUF_WRITABLE, count, self->sizes.answer_bytes, "answers") < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    const edgernn_status status = run_samples(self, x.buf, count, answers.buf, NULL);
    PyBuffer_Release(&x);
    PyBuffer_Release(&answers);
    return answer_of(status);
}

PyDoc_STRVAR(step_doc,
             "step(row, states, answer) -> bool\n--\n\n"
             "Answer one row, and replace the states.\n\n"
             "Args:\n"
             "    row: buffer of row_bytes bytes.\n"
             "    states: writable buffer of state_bytes bytes.\n"
             "    answer: writable buffer of step_answer_bytes bytes.\n\n"
             "Returns:\n"
             "    False, without an answer, if the row contains NaN or infinity.");

static PyObject *step(PyObject *object, PyObject *const *arguments, Py_ssize_t given) {
    Program *self = (Program *)object;
    if (given != 3 || !self->sizes.streams) {
        PyErr_SetString(PyExc_TypeError, given == 3 ? "the program has no step" : "expected row, states and answer");
        return NULL;
    }
    Py_buffer row, states, answer;
    if (get_buffer(arguments[0], &row, PyBUF_SIMPLE, 1, self->sizes.row_bytes, "row") < 0) {
        return NULL;
    }
    if (get_buffer(arguments[1], &states, PyBUF_WRITABLE, 1, self->sizes.state_bytes, "states") < 0) {
        PyBuffer_Release(&row);
        return NULL;
    }
    if (get_buffer(arguments[2], &answer, PyBUF_WRITABLE, 1, self->sizes.step_answer_bytes, "answer") < 0) {
        PyBuffer_Release(&row);
        PyBuffer_Release(&states);
        return NULL;
    }
    const edgernn_status status = edgernn_step(self->program, row.buf, states.buf, answer.buf, 0);
    PyBuffer_Release(&row);
    PyBuffer_Release(&states);
    PyBuffer_Release(&answer);
    return answer_of(status);
}

PyDoc_STRVAR(zero_states_doc,
             "zero_states() -> bytearray\n--\n\n"
             "Return the states before the first row.");

static PyObject *zero_states(PyObject *object, PyObject *unused) {
    (void)unused;
    Program *self = (Program *)object;
    PyObject *states = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)self->sizes.state_bytes);
    if (states) {
        edgernn_zero_states(self->program, PyByteArray_AsString(states));
    }
    return states;
}

static PyObject *get_instruction_set(PyObject *self, void *unused) {
    (void)unused;
    return PyUnicode_FromString(((Program *)self)->kernels->name);
}

static PyObject *get_size(PyObject *self, void *offset) {
    return PyLong_FromSize_t(*(const size_t *)(const void *)((const char *)&((Program *)self)->sizes + (size_t)offset));
}

#define SIZE(name, text) {#name, get_size, NULL, PyDoc_STR(text), (void *)offsetof(edgernn_sizes, name)}

static PyGetSetDef attributes[] = {
    {"instruction_set", get_instruction_set, NULL, PyDoc_STR("Name of the instruction set that runs it."), NULL},
    SIZE(steps, "Time steps of a sequence."),
    SIZE(row_bytes, "Bytes of one row."),
    SIZE(answer_bytes, "Bytes of the answer to a sequence."),
    SIZE(step_answer_bytes, "Bytes of the answer to one row."),
    SIZE(state_bytes, "Bytes of all states."),
    SIZE(work_bytes, "Bytes of scratch memory that a call needs for one sample."),
    SIZE(lanes, "Maximum number of samples of a batch that run side by side."),
    {NULL, NULL, NULL, NULL, NULL},
};

/* Casts a METH_FASTCALL function to the type in the table. Through `void (*)(void)`, the compiler does not warn. */
#define FAST(function) (PyCFunction)(void (*)(void))function, METH_FASTCALL

static PyMethodDef methods[] = {
    {"run", FAST(run), run_doc},
    {"step", FAST(step), step_doc},
    {"zero_states", zero_states, METH_NOARGS, zero_states_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(program_doc,
             "Program(plan, constants, instruction_set='')\n--\n\n"
             "A program that is ready to run; several threads may use it.\n\n"
             "Args:\n"
             "    plan, constants: as edgernn.program.plan writes them.\n"
             "    instruction_set: of `instruction_sets`; the best one by default.\n\n"
             "Raises:\n"
             "    ValueError: the plan is not valid, or the machine lacks the instruction set.");

static PyType_Slot program_slots[] = {
    {Py_tp_doc, (void *)program_doc}, {Py_tp_new, (void *)new_program}, {Py_tp_dealloc, (void *)delete_program},
    {Py_tp_methods, methods},         {Py_tp_getset, attributes},       {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "edgernn._native.Program",
    .basicsize = sizeof(Program),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = program_slots,
};

/* ---- direct calls ---- */

typedef struct {
    PyObject_HEAD
    Program *program;
    PyTypeObject *array_type;
    PyObject *new_answer;  /* callable */
    PyObject *new_answers; /* callable of a number of samples, or NULL */
    PyObject *states;      /* bytearray, or NULL */
    float max_square;
} Direct;

static PyObject *new_direct(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"program", "array_type", "new_answer", "max_square", "states", "new_answers", NULL};
    PyObject *program, *array_type, *new_answer, *states = NULL, *new_answers = NULL;
    double max_square;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOOd|OO", names, &program, &array_type, &new_answer,
                                     &max_square, &states, &new_answers)) {
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("edgernn._native");
    PyObject *expected = module ? PyObject_GetAttrString(module, "Program") : NULL;
    Py_XDECREF(module);
    const int fits = expected ? PyObject_IsInstance(program, expected) : -1;
    Py_XDECREF(expected);
    if (fits < 0) {
        return NULL;
    }
    if (!fits || !PyType_Check(array_type) || (states && !PyByteArray_Check(states))) {
        PyErr_SetString(PyExc_TypeError, "expected a Program, the type of arrays, a callable, a number and a bytearray");
        return NULL;
    }
    if (states && !((Program *)program)->sizes.streams) {
        PyErr_SetString(PyExc_TypeError, "the program has no step");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Direct *self = (Direct *)allocate(type, 0);
    if (self) {
        self->program = (Program *)Py_NewRef(program);
        self->array_type = (PyTypeObject *)Py_NewRef(array_type);
        self->new_answer = Py_NewRef(new_answer);
        self->new_answers = Py_XNewRef(new_answers);
        self->states = Py_XNewRef(states);
        self->max_square = (float)max_square;
    }
    return (PyObject *)self;
}

static void delete_direct(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    Direct *self = (Direct *)object;
    Py_DECREF((PyObject *)self->program);
    Py_DECREF((PyObject *)self->array_type);
    Py_DECREF(self->new_answer);
    Py_XDECREF(self->new_answers);
    Py_XDECREF(self->states);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Gets the buffer of a float32 array in the processor's byte order; 0 without an error for any other object. */
static int get_floats(const Direct *self, PyObject *object, Py_buffer *x) {
    if (Py_TYPE(object) != self->array_type || !self->program->sizes.float_input || self->max_square < 0.0f) {
        return 0;
    }
    if (PyObject_GetBuffer(object, x, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return 0;
    }
    if (x->ndim == 0 || !x->format || strcmp(x->format, "f") != 0 || (uintptr_t)x->buf % 4 ||
        (size_t)x->shape[x->ndim - 1] != self->program->sizes.row_bytes / 4) {
        PyBuffer_Release(x);
        return 0;
    }
    return 1;
}

/* Gets the buffer of a new array for answers. Takes over the reference to the array, which may be NULL. */
static PyObject *get_answer(PyObject *answer, Py_buffer *buffer, size_t count, size_t bytes) {
    if (answer && get_buffer(answer, buffer, PyBUF_WRITABLE, count, bytes, "answer") < 0) {
        Py_CLEAR(answer);
    }
    return answer;
}

static PyObject *finished(PyObject *answer, Py_buffer *x, Py_buffer *buffer, edgernn_status status) {
    PyBuffer_Release(x);
    PyBuffer_Release(buffer);
    if (status == EDGERNN_OK) {
        return answer;
    }
    Py_DECREF(answer);
    if (status == EDGERNN_NOT_USUAL) {
        Py_RETURN_NONE;
    }
    return PyErr_NoMemory();
}

PyDoc_STRVAR(predict_doc,
             "predict(x) -> array | None\n--\n\n"
             "Answer one sequence, or many, if x is an array of the type, float32 [steps, features] or\n"
             "[samples, steps, features], contiguous, with at least one sample, and if each sample's sum of squares is at\n"
             "most max_square; otherwise return None.");

static PyObject *direct_predict(PyObject *object, PyObject *given) {
    const Direct *self = (Direct *)object;
    const edgernn_sizes *sizes = &self->program->sizes;
    Py_buffer x, buffer;
    if (!get_floats(self, given, &x)) {
        Py_RETURN_NONE;
    }
    const int is_batch = x.ndim == 3 && self->new_answers && x.shape[0] > 0;
    if ((!is_batch && x.ndim != 2) || (size_t)x.shape[x.ndim - 2] != sizes->steps) {
        PyBuffer_Release(&x);
        Py_RETURN_NONE;
    }
    const size_t samples = is_batch ? (size_t)x.shape[0] : 1;
    PyObject *made = is_batch ? PyObject_CallFunction(self->new_answers, "n", x.shape[0])
                              : PyObject_CallNoArgs(self->new_answer);
    PyObject *answer = get_answer(made, &buffer, samples, sizes->answer_bytes);
    if (!answer) {
        PyBuffer_Release(&x);
        return NULL;
    }
    return finished(answer, &x, &buffer, run_samples(self->program, x.buf, samples, buffer.buf, &self->max_square));
}

PyDoc_STRVAR(push_doc,
             "push(row) -> array | None\n--\n\n"
             "Answer one row and replace the states, if row is an array of the type, float32 [features], contiguous,\n"
             "whose sum of squares is at most max_square; otherwise return None.");

static PyObject *direct_push(PyObject *object, PyObject *given) {
    const Direct *self = (Direct *)object;
    const edgernn_sizes *sizes = &self->program->sizes;
    Py_buffer row, buffer;
    if (!self->states || !get_floats(self, given, &row)) {
        Py_RETURN_NONE;
    }
    const float square =
        row.ndim == 1 ? self->program->kernels->sum_of_squares((const float *)row.buf, sizes->row_bytes / 4) : INFINITY;
    if (!(square <= self->max_square && square <= FLT_MAX)) { /* also NaN */
        PyBuffer_Release(&row);
        Py_RETURN_NONE;
    }
    PyObject *answer = get_answer(PyObject_CallNoArgs(self->new_answer), &buffer, 1, sizes->step_answer_bytes);
    if (!answer) {
        PyBuffer_Release(&row);
        return NULL;
    }
    if ((size_t)PyByteArray_Size(self->states) != sizes->state_bytes) {
        PyErr_SetString(PyExc_ValueError, "the states have another number of bytes");
        Py_DECREF(finished(answer, &row, &buffer, EDGERNN_OK));
        return NULL;
    }
    void *states = PyByteArray_AsString(self->states);
    return finished(answer, &row, &buffer, edgernn_step(self->program->program, row.buf, states, buffer.buf, 1));
}

static PyMethodDef direct_methods[] = {
    {"predict", direct_predict, METH_O, predict_doc},
    {"push", direct_push, METH_O, push_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(direct_doc,
             "Direct(program, array_type, new_answer, max_square, states=None, new_answers=None)\n--\n\n"
             "Fast calls of a program, which check usual inputs and return None for all others.\n\n"
             "Args:\n"
             "    program: the program.\n"
             "    array_type: type of arrays, numpy.ndarray; other objects, subclasses too, are not usual.\n"
             "    new_answer: called without arguments, returns a new array for an answer.\n"
             "    max_square: largest sum of squares of a usual sample or row.\n"
             "    states: bytearray with the states of a stream, for `push`.\n"
             "    new_answers: called with a number of samples, returns a new array for their answers; without it,\n"
             "        `predict` answers single sequences only.");

static PyType_Slot direct_slots[] = {
    {Py_tp_doc, (void *)direct_doc}, {Py_tp_new, (void *)new_direct}, {Py_tp_dealloc, (void *)delete_direct},
    {Py_tp_methods, direct_methods}, {0, NULL},
};

static PyType_Spec direct_spec = {
    .name = "edgernn._native.Direct",
    .basicsize = sizeof(Direct),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = direct_slots,
};

static int add_type(PyObject *module, PyType_Spec *spec, const char *name) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type) {
        return -1;
    }
    const int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

static int add_types(PyObject *module) {
    if (add_type(module, &program_spec, "Program") || add_type(module, &direct_spec, "Direct")) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "INTERFACE", EDGERNN_INTERFACE);
}

static PyMethodDef functions[] = {
    {"instruction_sets", instruction_sets, METH_NOARGS, instruction_sets_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)add_types}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edgernn._native",
    .m_doc = "Kernels in C.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
