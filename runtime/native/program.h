/* The program in memory, as plan.c makes it and engine.c runs it. */
#ifndef EDGERNN_PROGRAM_H
#define EDGERNN_PROGRAM_H

#include "engine.h"

/* Memory that an operand lies in. A float32 input stays in the caller's memory. */
typedef enum { IN_WORK, IN_CONSTANTS, IN_INPUT, MEMORIES } memory;

/* Where an operand is: `place` is its first byte, `stride` the bytes from one time step to the next, `lane` the bytes
from one lane to the next. Samples of a batch run side by side, each in a lane. The lanes of a base follow each other, so
with several lanes the base begins at `base` × lanes; `place` and `base` are those of a single lane. */
typedef struct {
    memory memory;
    size_t place, stride, base, lane;
} operand;

typedef struct {
    int64_t elements;
    int type; /* 0 int8, 1 float32 */
    int32_t base, offset;
    int64_t constant; /* place in the constants, -1 for none */
    int zero_point;
    float scale;
    int is_per_step; /* has memory for each time step, because the section `rows` computes it */
    size_t place;    /* of a base: its first byte in the scratch memory of one lane */
} value;

enum { INT8, FLOAT32 };

/* Operators; their numbers are part of the plan's format. */
typedef enum {
    OP_QUANTIZE = 1,
    OP_DEQUANTIZE,
    OP_LINEAR,
    OP_SUM,
    OP_PRODUCT,
    OP_BINARY,
    OP_TABLE,
    OP_FUNCTION,
    OP_SOFTMAX,
    OP_REDUCE,
    OP_CONVOLUTION,
    OP_POOL,
    OP_COPY,
    OP_FILL,
    OP_REPEAT,
    OP_EXTREME,
    OP_SELECT,
    OP_SQUARES
} operation;

enum { REDUCE_MEAN, REDUCE_SUM, REDUCE_MAX };
#define LAST_OP OP_SQUARES
#define MAX_AXES 5

typedef struct instruction {
    operation op;
    int type; /* of the result */
    int is_whole;  /* the operands of all time steps are contiguous: one kernel call for all time steps */
    int is_joined; /* the operands of all lanes are contiguous: one kernel call for all lanes */
    int has_rows;  /* its kernel takes the lanes as rows; `lanes` has the elements from one lane to the next */
    edgernn_rows lanes;
    operand x, b, out;
    int64_t elements; /* of the result */
    union {
        struct {
            edgernn_linear_i8 i8;
            edgernn_linear_f32 f32;
            edgernn_rows rows; /* of one lane and time step */
            int has_addend;    /* operand b */
        } linear;
        edgernn_sum_i8 sum;
        edgernn_product_i8 product;
        edgernn_binary_f32 binary;
        struct {
            const uint8_t *prepared;
        } table;
        struct {
            edgernn_function kind;
            float parameters[2];
        } function;
        struct {
            int64_t columns;
            float beta, scale;
            int zero_point;
            const float *table;
        } softmax;
        struct {
            int kind;
            int64_t outer, count, inner;
            float multiplier, offset; /* of an int8 mean */
        } reduce;
        struct {
            edgernn_linear_i8 i8;
            edgernn_linear_f32 f32;
            int64_t steps, channels, out_steps, kernel, stride, dilation, before;
            int zero_point;
            size_t window; /* first byte of the scratch memory of a window */
        } convolution;
        struct {
            int kind;
            int64_t steps, channels, out_steps, kernel, stride, before;
        } pool;
        struct {
            int64_t sizes[MAX_AXES], x_strides[MAX_AXES], out_strides[MAX_AXES];
        } copy;
        struct {
            uint32_t bits;
        } fill;
        struct {
            int is_maximum;
        } extreme;
        struct {
            operand condition;
        } select;
        struct {
            const int32_t *a_table, *b_table; /* of the int8 values -128 to 127; entries within ±2^14 */
            int64_t multiplier;
            int shift, zero_point;
        } squares;
        struct {
            int64_t rounds, body, block_bytes, answer_bytes, carried;
            operand blocks, block, answers, answer;
            operand *pairs; /* of each state: its value at the start of a round, then that at the end */
            int64_t *pair_bytes;
        } repeat;
    } as;
    /* If b_repeats, element i of the result takes element (i / b_run) % b_elements of operand b. The engine writes the
    repeated operand into scratch memory, from byte `expanded` on. */
    int64_t b_run, b_elements;
    int b_repeats;
    size_t expanded;
    float scale_in; /* quantize: 1 / scale of the result; dequantize: scale of x */
    int zero_point;
} instruction;

typedef struct {
    operand before, after;
    size_t bytes;
    uint32_t zero; /* the bits of each element */
    int type;
} state;

struct edgernn_program {
    const edgernn_kernels *kernels;
    uint8_t *constants;
    value *values;
    int64_t value_count, input_number;
    instruction *instructions; /* of rows, step and answer; the body of a loop follows its OP_REPEAT */
    int64_t instruction_count;
    int64_t rows, step, answer;
    state *states;
    int64_t state_count;
    size_t steps, row_bytes, step_answer_bytes, state_bytes;
    size_t work_bytes; /* scratch memory of one lane */
    size_t lanes;      /* maximum number of samples that run side by side */
    int answers_every_step, float_input, float_output;
    operand input, output;
    void **blocks; /* memory that edgernn_close frees */
    size_t block_count, block_room;
};

#endif
