/* Engine: runs a program for the samples of a batch, several side by side.

A program is read from a plan, a list of 32-bit integers in the processor's byte order, and constants, a block of bytes.
`edgernn/program/plan.py` writes both. Everything in them is checked here once: afterwards nothing that a caller passes can
make a kernel read or write outside of its memory.

    plan        header, values, instructions of rows, step and answer, states
    header      MAGIC, FORMAT, steps, values, states, rows, step, answer (numbers of instructions), input, output,
                answers_every_step
    value       elements, type (0 int8, 1 float32), base, offset (elements), place of its constant in bytes or -1,
                zero point, scale (the bits of a float32)
    instruction operator, number of arguments, arguments
    state       value before, value after, zero

A program has no variable state: all memory of a call belongs to the call, so threads may run it side by side. */
#ifndef EDGERNN_ENGINE_H
#define EDGERNN_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"

#define EDGERNN_PLAN_MAGIC 0x4e4e5245
#define EDGERNN_PLAN_FORMAT 1

typedef struct edgernn_program edgernn_program;

/* NOT_USUAL: a number of the input is not finite, or a sum of squares is too large. Some samples may be answered then. */
typedef enum { EDGERNN_OK, EDGERNN_NO_MEMORY, EDGERNN_NOT_USUAL } edgernn_status;

/* Reads a program and packs its weights. NULL if the plan is not valid or there is no memory; then `*reason` says why. */
edgernn_program *edgernn_open(
    const int32_t *plan, size_t words, const uint8_t *constants, size_t bytes, const edgernn_kernels *kernels,
    const char **reason);
void edgernn_close(edgernn_program *program);

/* Bytes of one row, of one sample's answer, of one step's answer, and of all states. */
typedef struct {
    size_t steps, row_bytes, answer_bytes, step_answer_bytes, state_bytes;
    int float_input, float_output, streams;
    size_t work_bytes; /* memory that a sample needs */
    size_t lanes;      /* samples of a batch that run side by side */
} edgernn_sizes;
void edgernn_get_sizes(const edgernn_program *program, edgernn_sizes *sizes);

/* Answers `samples` samples of `steps` rows each. Each is checked first: whether all numbers of a float32 input are
finite, or, with `max_square`, whether the sum of their squares is at most that. */
edgernn_status edgernn_run(
    const edgernn_program *program, const void *input, size_t samples, void *output, const float *max_square);

/* Answers one row; the states, `state_bytes` long, are replaced. */
edgernn_status edgernn_step(
    const edgernn_program *program, const void *row, void *states, void *answer, int is_finite);

/* Sets the states to those before the first row. */
void edgernn_zero_states(const edgernn_program *program, void *states);

#endif
