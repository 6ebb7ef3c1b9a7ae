/* Engine: runs a program for the samples of a batch, several side by side.

A program is read from a plan, which is a list of 32-bit integers in the processor's byte order, and a block of constants.
`edgernn/program/plan.py` writes both. plan.c checks them once, when it reads them: no plan and no input can then make a
kernel read or write outside of its memory.

    plan        header, values, instructions of rows, step and answer, states
    header      MAGIC, FORMAT, steps, values, states, rows, step, answer (numbers of instructions), input, output,
                answers_every_step
    value       elements, type (0 int8, 1 float32), base, offset in elements, offset of its constant in bytes or -1,
                zero point, scale (the bits of a float32)
    instruction operator, number of arguments, arguments
    state       value before, value after, zero

A program does not change when it runs: each call has its own scratch memory, so several threads may run a program. */
#ifndef EDGERNN_ENGINE_H
#define EDGERNN_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

#define EDGERNN_PLAN_MAGIC 0x4e4e5245
#define EDGERNN_PLAN_FORMAT 1
/* Raise it with every change of the plan or of what the extension offers to Python, together with INTERFACE in
edgernn/backends/native.py: an extension that was compiled from other sources is then refused. */
#define EDGERNN_INTERFACE 2

typedef struct edgernn_program edgernn_program;

/* NOT_USUAL: a number of the input is not finite, or a sum of squares is too large. Some samples may be answered then. */
typedef enum { EDGERNN_OK, EDGERNN_NO_MEMORY, EDGERNN_NOT_USUAL } edgernn_status;

/* Reads a program and packs its weights. If the plan is not valid or memory is missing, sets `*reason`, returns NULL. */
edgernn_program *edgernn_open(
    const int32_t *plan, size_t words, const uint8_t *constants, size_t bytes, const edgernn_kernels *kernels,
    const char **reason);
void edgernn_close(edgernn_program *program);

/* Sizes of a program; its sample has `steps` rows. */
typedef struct {
    size_t steps, row_bytes, answer_bytes, step_answer_bytes, state_bytes;
    int float_input, float_output, streams;
    size_t work_bytes; /* scratch memory of a sample */
    size_t lanes;      /* maximum number of samples that run side by side */
} edgernn_sizes;
void edgernn_get_sizes(const edgernn_program *program, edgernn_sizes *sizes);

/* Answers `samples` samples of `steps` rows each. Each is checked first: whether all numbers of a float32 input are
finite, or, with `max_square`, whether the sum of their squares is at most that. */
edgernn_status edgernn_run(
    const edgernn_program *program, const void *input, size_t samples, void *output, const float *max_square);

/* Answers one row and replaces the states, `state_bytes` bytes. */
edgernn_status edgernn_step(
    const edgernn_program *program, const void *row, void *states, void *answer, int is_finite);

/* Sets the states to those before the first row. */
void edgernn_zero_states(const edgernn_program *program, void *states);

#endif
