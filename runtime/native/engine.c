/* Runs a program: its instructions one after the other, each for all lanes, on the scratch memory of one call. */
#include "engine.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* The memories of a call, by `memory`, and its lanes. Constants and the input are only read; plan.c refuses to write
there. */
typedef struct {
    uint8_t *of[MEMORIES];
    size_t lanes;
} call;

static inline void *at_alone(const call *c, const operand *each, size_t step) {
    return c->of[each->memory] + each->place + step * each->stride;
}

static inline void *at(const call *c, const operand *each, size_t step, size_t lane) {
    return (uint8_t *)at_alone(c, each, step) + each->base * (c->lanes - 1) + lane * each->lane;
}

static const edgernn_rows ONE_ROW = {.count = 1};

NOT_INLINE softmax_i8(const instruction *i, const int8_t *x, int8_t *out, int64_t rows) {
    const int64_t columns = i->as.softmax.columns;
    for (int64_t row = 0; row < rows; row++, x += columns, out += columns) {
        int largest = -128;
        for (int64_t c = 0; c < columns; c++) {
            largest = x[c] > largest ? x[c] : largest;
        }
        /* As TFLite's kernel: e^x by a table of float32, summed in order, multiplied by one quotient. */
        const float *table = i->as.softmax.table + (255 - largest);
        float sum = 0.0f;
        for (int64_t c = 0; c < columns; c++) {
            sum += table[x[c]];
        }
        const float factor = 1.0f / (sum * i->as.softmax.scale);
        for (int64_t c = 0; c < columns; c++) {
            const float rounded = roundf(table[x[c]] * factor);
            const int result = (int)(rounded < 512.0f ? rounded : 512.0f) + i->as.softmax.zero_point;
            out[c] = (int8_t)(result > 127 ? 127 : result);
        }
    }
}

NOT_INLINE softmax_f32(const instruction *i, const float *x, float *out, int64_t rows) {
    const int64_t columns = i->as.softmax.columns;
    for (int64_t row = 0; row < rows; row++, x += columns, out += columns) {
        float largest = x[0], sum = 0.0f;
        for (int64_t c = 1; c < columns; c++) {
            largest = x[c] > largest ? x[c] : largest;
        }
        for (int64_t c = 0; c < columns; c++) {
            out[c] = expf((x[c] - largest) * i->as.softmax.beta);
            sum += out[c];
        }
        for (int64_t c = 0; c < columns; c++) {
            out[c] /= sum;
        }
    }
}

NOT_INLINE reduce_f32(const instruction *i, const float *x, float *out) {
    const int64_t count = i->as.reduce.count, inner = i->as.reduce.inner;
    const float factor = 1.0f / (float)count;
    for (int64_t outer = 0; outer < i->as.reduce.outer; outer++) {
        for (int64_t c = 0; c < inner; c++) {
            const float *from = x + outer * count * inner + c;
            float result = from[0];
            for (int64_t k = 1; k < count; k++) {
                const float next = from[k * inner];
                result = i->as.reduce.kind == REDUCE_MAX ? (next > result ? next : result) : result + next;
            }
            out[outer * inner + c] = i->as.reduce.kind == REDUCE_MEAN ? result * factor : result;
        }
    }
}

/* The maximum, or the mean: the sum in float32 times the multiplier, plus the offset, rounded. */
NOT_INLINE reduce_i8(const instruction *i, const int8_t *x, int8_t *out) {
    const int64_t count = i->as.reduce.count, inner = i->as.reduce.inner;
    for (int64_t outer = 0; outer < i->as.reduce.outer; outer++) {
        for (int64_t c = 0; c < inner; c++) {
            const int8_t *from = x + outer * count * inner + c;
            int64_t result = from[0];
            for (int64_t k = 1; k < count; k++) {
                const int8_t next = from[k * inner];
                result = i->as.reduce.kind == REDUCE_MAX ? (next > result ? next : result) : result + next;
            }
            if (i->as.reduce.kind == REDUCE_MEAN) {
                const float mean = (float)result * i->as.reduce.multiplier + i->as.reduce.offset;
                result = (int64_t)rintf(mean < -128.0f ? -128.0f : mean > 127.0f ? 127.0f : mean);
            }
            out[outer * inner + c] = (int8_t)result;
        }
    }
}

/* Copies bytes that were just written, 16 at a time. The C library's memcpy may load 64 at once, and such a load waits
until the smaller stores before it have reached the cache. */
static inline void copy_written(void *to, const void *from, size_t bytes) {
    uint8_t *target = (uint8_t *)to;
    const uint8_t *source = (const uint8_t *)from;
    size_t done = 0;
    if (source + bytes <= target || target + bytes <= source) {
        for (; done + 16 <= bytes; done += 16) {
            memcpy(target + done, source + done, 16);
        }
    }
    memmove(target + done, source + done, bytes - done);
}

/* Gathers the inputs of one output step side by side, then multiplies them by the weights. */
NOT_INLINE convolve(const edgernn_kernels *kernels, const instruction *i, const uint8_t *x, uint8_t *out,
                     uint8_t *window) {
    const int64_t channels = i->as.convolution.channels, size = i->type == INT8 ? 1 : 4;
    const size_t row = (size_t)(channels * size);
    const int outputs = i->type == INT8 ? i->as.convolution.i8.outputs : i->as.convolution.f32.outputs;
    for (int64_t t = 0; t < i->as.convolution.out_steps; t++) {
        for (int64_t k = 0; k < i->as.convolution.kernel; k++) {
            const int64_t from = t * i->as.convolution.stride + k * i->as.convolution.dilation - i->as.convolution.before;
            if (from >= 0 && from < i->as.convolution.steps) {
                memcpy(window + (size_t)k * row, x + (size_t)from * row, row);
            } else {
                memset(window + (size_t)k * row, i->type == INT8 ? i->as.convolution.zero_point : 0, row);
            }
        }
        if (i->type == INT8) {
            kernels->linear_i8(&i->as.convolution.i8, (const int8_t *)window, NULL, (int8_t *)out + t * outputs,
                               &ONE_ROW);
        } else {
            kernels->linear_f32(&i->as.convolution.f32, (const float *)(const void *)window,
                                (float *)(void *)out + t * outputs, &ONE_ROW);
        }
    }
}

static void pool_f32(const instruction *i, const float *x, float *out, int64_t first, int64_t last) {
    const int64_t channels = i->as.pool.channels;
    const float factor = 1.0f / (float)(last - first);
    for (int64_t c = 0; c < channels; c++) {
        float result = x[first * channels + c];
        for (int64_t k = first + 1; k < last; k++) {
            const float next = x[k * channels + c];
            result = i->as.pool.kind == REDUCE_MAX ? (next > result ? next : result) : result + next;
        }
        out[c] = i->as.pool.kind == REDUCE_MAX ? result : result * factor;
    }
}

/* The mean is rounded to the nearest integer, ties away from zero. */
static void pool_i8(const instruction *i, const int8_t *x, int8_t *out, int64_t first, int64_t last) {
    const int64_t channels = i->as.pool.channels, count = last - first;
    for (int64_t c = 0; c < channels; c++) {
        int64_t result = x[first * channels + c];
        for (int64_t k = first + 1; k < last; k++) {
            const int8_t next = x[k * channels + c];
            result = i->as.pool.kind == REDUCE_MAX ? (next > result ? next : result) : result + next;
        }
        if (i->as.pool.kind == REDUCE_MEAN) {
            result = (result + (result < 0 ? -count / 2 : count / 2)) / count;
        }
        out[c] = (int8_t)result;
    }
}

NOT_INLINE pool(const instruction *i, const void *x, void *out) {
    const int64_t channels = i->as.pool.channels;
    for (int64_t t = 0; t < i->as.pool.out_steps; t++) {
        int64_t first = t * i->as.pool.stride - i->as.pool.before, last = first + i->as.pool.kernel;
        first = first < 0 ? 0 : first;
        last = last > i->as.pool.steps ? i->as.pool.steps : last;
        if (i->type == FLOAT32) {
            pool_f32(i, (const float *)x, (float *)out + t * channels, first, last);
        } else {
            pool_i8(i, (const int8_t *)x, (int8_t *)out + t * channels, first, last);
        }
    }
}

NOT_INLINE extreme_i8(const instruction *i, const int8_t *a, const int8_t *b, int8_t *out, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        out[k] = (a[k] > b[k]) == i->as.extreme.is_maximum ? a[k] : b[k];
    }
}

/* Squares of differences, in TFLite's fixed point: rounded after the shift by 31 bits, and after the last shift. */
NOT_INLINE squares_i8(const instruction *i, const int8_t *a, const int8_t *b, int8_t *out, int64_t count) {
    const int shift = i->as.squares.shift;
    for (int64_t k = 0; k < count; k++) {
        const int64_t difference = i->as.squares.a_table[a[k] + 128] - i->as.squares.b_table[b[k] + 128];
        const int64_t square = (difference * difference * i->as.squares.multiplier + (1 << 30)) >> 31;
        const int64_t result = ((square + ((int64_t)1 << shift >> 1)) >> shift) + i->as.squares.zero_point;
        out[k] = (int8_t)(result > 127 ? 127 : result);
    }
}

/* Moves an element of 1 or 4 bytes; a call of memmove for each would take most of the time. */
static inline __attribute__((always_inline)) void move_element(uint8_t *target, const uint8_t *source, int64_t size) {
    uint8_t bytes[4];
    if (size == 1) {
        *target = *source;
    } else {
        memcpy(bytes, source, 4);
        memcpy(target, bytes, 4);
    }
}

/* Repeats an element of 1 or 4 bytes. */
static void repeat_element(uint8_t *target, const uint8_t *source, int64_t size, int64_t count) {
    uint8_t bytes[4];
    move_element(bytes, source, size);
    for (int64_t k = 0; size == 4 && k < count; k++) {
        memcpy(target + 4 * k, bytes, 4);
    }
    if (size == 1) {
        memset(target, bytes[0], (size_t)count);
    }
}

NOT_INLINE choose(const instruction *i, const float *condition, const uint8_t *a, const uint8_t *b, uint8_t *out) {
    if (i->type == INT8) {
        for (int64_t k = 0; k < i->elements; k++) {
            const uint8_t bits = (uint8_t)-(condition[k] != 0.0f);
            out[k] = (uint8_t)((a[k] & bits) | (b[k] & ~bits));
        }
        return;
    }
    for (int64_t k = 0; k < i->elements; k++) {
        move_element(out + 4 * k, (condition[k] != 0.0f ? a : b) + 4 * k, 4);
    }
}

NOT_INLINE copy(const instruction *i, const uint8_t *x, uint8_t *out) {
    const int64_t size = i->type == INT8 ? 1 : 4;
    const int64_t *sizes = i->as.copy.sizes, *from = i->as.copy.x_strides, *to = i->as.copy.out_strides;
    /* The innermost axis is copied at once where its elements are neighbours. */
    const int together = from[4] == 1 && to[4] == 1, repeated = from[4] == 0 && to[4] == 1;
    for (int64_t a = 0; a < sizes[0]; a++) {
        for (int64_t b = 0; b < sizes[1]; b++) {
            for (int64_t c = 0; c < sizes[2]; c++) {
                for (int64_t d = 0; d < sizes[3]; d++) {
                    /* Source and target may be the same memory. */
                    const uint8_t *source = x + size * (a * from[0] + b * from[1] + c * from[2] + d * from[3]);
                    uint8_t *target = out + size * (a * to[0] + b * to[1] + c * to[2] + d * to[3]);
                    if (together) {
                        memmove(target, source, (size_t)(size * sizes[4]));
                        continue;
                    }
                    if (repeated) {
                        repeat_element(target, source, size, sizes[4]);
                        continue;
                    }
                    for (int64_t e = 0; e < sizes[4]; e++) {
                        move_element(target + size * e * to[4], source + size * e * from[4], size);
                    }
                }
            }
        }
    }
}

/* Repeats the elements of b until there are `count`; returns them. */
__attribute__((noinline)) static const void *expand(const instruction *i, const void *b, int64_t count, void *expanded) {
    const int64_t size = i->type == INT8 ? 1 : 4;
    for (int64_t k = 0; k < count; k++) {
        memcpy((uint8_t *)expanded + k * size, (const uint8_t *)b + (k / i->b_run) % i->b_elements * size,
               (size_t)size);
    }
    return expanded;
}

/* Copies `bytes` bytes between operands in all lanes, `to_more` and `from_more` bytes after their places. */
static void copy_lanes(const call *c, const operand *to, size_t to_step, size_t to_more, const operand *from,
                       size_t from_step, size_t from_more, size_t bytes) {
    for (size_t lane = 0; lane < c->lanes; lane++) {
        copy_written((uint8_t *)at(c, to, to_step, lane) + to_more, (uint8_t *)at(c, from, from_step, lane) + from_more,
                     bytes);
    }
}

static void run_instruction(const edgernn_program *program, const instruction *i, const call *c, size_t step,
                            size_t times);

static void run_repeat(const edgernn_program *program, const instruction *i, const call *c, size_t step) {
    const size_t block_bytes = (size_t)i->as.repeat.block_bytes, answer_bytes = (size_t)i->as.repeat.answer_bytes;
    for (size_t r = 0; r < (size_t)i->as.repeat.rounds; r++) {
        copy_lanes(c, &i->as.repeat.block, step, 0, &i->as.repeat.blocks, step, r * block_bytes, block_bytes);
        for (int64_t k = 0; k < i->as.repeat.body; k++) {
            run_instruction(program, i + 1 + k, c, step, 1);
        }
        if (answer_bytes) {
            copy_lanes(c, &i->as.repeat.answers, step, r * answer_bytes, &i->as.repeat.answer, step, 0, answer_bytes);
        }
        for (int64_t k = 0; k < i->as.repeat.carried; k++) {
            copy_lanes(c, i->as.repeat.pairs + 2 * k, step, 0, i->as.repeat.pairs + 2 * k + 1, step, 0,
                       (size_t)i->as.repeat.pair_bytes[k]);
        }
    }
}

/* Runs an instruction on `times` contiguous time steps or lanes; kernels that take rows run on each of `rows`. */
static inline __attribute__((always_inline)) void run_elements(
    const edgernn_program *program, const instruction *i, const call *c, size_t step, size_t lane, size_t times,
    const edgernn_rows *rows, int is_alone) {
    const edgernn_kernels *kernels = program->kernels;
    const int64_t count = i->elements * (int64_t)times;
    const void *x = is_alone ? at_alone(c, &i->x, step) : at(c, &i->x, step, lane);
    const void *b = is_alone ? at_alone(c, &i->b, step) : at(c, &i->b, step, lane);
    void *out = is_alone ? at_alone(c, &i->out, step) : at(c, &i->out, step, lane);
    if (i->b_repeats) {
        b = expand(i, b, count, c->of[IN_WORK] + i->expanded * c->lanes);
    }
    const int8_t *x8 = (const int8_t *)x, *b8 = (const int8_t *)b;
    const float *x32 = (const float *)x, *b32 = (const float *)b;
    int8_t *out8 = (int8_t *)out;
    float *out32 = (float *)out;
    switch (i->op) {
        case OP_QUANTIZE: kernels->quantize(i->scale_in, i->zero_point, x32, (int)count, out8); break;
        case OP_DEQUANTIZE: kernels->dequantize(i->scale_in, i->zero_point, x8, (int)count, out32); break;
        case OP_LINEAR: {
            edgernn_rows several;
            if (rows->count == 1) {
                rows = &i->as.linear.rows;
            }
            if (times > 1) {
                several = *rows;
                several.count *= (int)times;
                rows = &several;
            }
            if (i->type == INT8) {
                kernels->linear_i8(&i->as.linear.i8, x8, i->as.linear.has_addend ? b8 : NULL, out8, rows);
            } else {
                kernels->linear_f32(&i->as.linear.f32, x32, out32, rows);
            }
            break;
        }
        case OP_SUM:
            if (i->as.sum.shift == 0) {
                kernels->saturating_sum_i8(x8, b8, (int)count, out8, rows);
            } else {
                kernels->sum_i8(&i->as.sum, x8, b8, (int)count, out8, rows);
            }
            break;
        case OP_PRODUCT: kernels->product_i8(&i->as.product, x8, b8, (int)count, out8, rows); break;
        case OP_BINARY: kernels->binary_f32(&i->as.binary, x32, b32, (int)count, out32, rows); break;
        case OP_TABLE: kernels->table_i8(i->as.table.prepared, x8, (int)count, out8); break;
        case OP_FUNCTION:
            kernels->function_f32(i->as.function.kind, i->as.function.parameters, x32, (int)count, out32);
            break;
        case OP_SOFTMAX:
            if (i->type == INT8) {
                softmax_i8(i, x8, out8, count / i->as.softmax.columns);
            } else {
                softmax_f32(i, x32, out32, count / i->as.softmax.columns);
            }
            break;
        case OP_REDUCE:
            if (i->type == INT8) {
                reduce_i8(i, x8, out8);
            } else {
                reduce_f32(i, x32, out32);
            }
            break;
        case OP_CONVOLUTION:
            convolve(kernels, i, x, out, c->of[IN_WORK] + i->as.convolution.window * c->lanes);
            break;
        case OP_POOL: pool(i, x, out); break;
        case OP_COPY: copy(i, x, out); break;
        case OP_FILL:
            if (i->type == INT8) {
                memset(out, (int)(i->as.fill.bits & 255u), (size_t)count);
            } else {
                for (int64_t k = 0; k < count; k++) {
                    memcpy(out32 + k, &i->as.fill.bits, sizeof(float));
                }
            }
            break;
        case OP_EXTREME: extreme_i8(i, x8, b8, out8, count); break;
        case OP_SELECT: choose(i, at(c, &i->as.select.condition, step, lane), x, b, out); break;
        case OP_SQUARES: squares_i8(i, x8, b8, out8, count); break;
        case OP_REPEAT: run_repeat(program, i, c, step); break;
    }
}

static void run_rows_of_lanes(const edgernn_program *program, const instruction *i, const call *c, size_t step,
                              size_t lane, size_t times, const edgernn_rows *rows) {
    run_elements(program, i, c, step, lane, times, rows, 0);
}

static void run_in_lanes(const edgernn_program *program, const instruction *i, const call *c, size_t step,
                         size_t times) {
    /* The time steps of one lane are contiguous, and followed by those of the next lane. */
    if (i->is_joined || (i->is_whole && times == program->steps)) {
        run_rows_of_lanes(program, i, c, step, 0, times * c->lanes, &ONE_ROW);
    } else if (i->has_rows && times == 1) {
        edgernn_rows rows = i->lanes;
        rows.count = (int)c->lanes;
        run_rows_of_lanes(program, i, c, step, 0, 1, &rows);
    } else {
        for (size_t lane = 0; lane < c->lanes; lane++) {
            run_rows_of_lanes(program, i, c, step, lane, times, &ONE_ROW);
        }
    }
}

/* Runs an instruction in all lanes, on `times` contiguous time steps. A single lane has its own code, because the
instructions of small cells take little more time than the loop over lanes. */
static void run_instruction(const edgernn_program *program, const instruction *i, const call *c, size_t step,
                            size_t times) {
    if (c->lanes == 1) {
        run_elements(program, i, c, step, 0, times, &ONE_ROW, 1);
    } else if (i->op == OP_REPEAT) {
        run_repeat(program, i, c, step);
    } else {
        run_in_lanes(program, i, c, step, times);
    }
}

static void run_section(const edgernn_program *program, const instruction *from, int64_t count, const call *c,
                        size_t step) {
    for (int64_t k = 0; k < count; k++) {
        run_instruction(program, from + k, c, step, 1);
        if (from[k].op == OP_REPEAT) {
            k += from[k].as.repeat.body;
        }
    }
}

static void run_rows(const edgernn_program *program, const call *c, size_t steps) {
    for (int64_t k = 0; k < program->rows; k++) {
        const instruction *i = program->instructions + k;
        if (i->is_whole) {
            run_instruction(program, i, c, 0, steps);
            continue;
        }
        for (size_t step = 0; step < steps; step++) {
            run_instruction(program, i, c, step, 1);
        }
    }
}

/* Answers a sample in each lane; their answers, each of `answer_bytes` bytes, follow each other. */
static void run_lanes(const edgernn_program *program, const call *c, uint8_t *output, size_t answer_bytes) {
    const instruction *step = program->instructions + program->rows, *answer = step + program->step;
    const size_t bytes = program->step_answer_bytes, steps = program->state_count ? program->steps : 1;
    run_rows(program, c, steps);
    for (size_t t = 0; t < steps; t++) {
        run_section(program, step, program->step, c, t);
        if (program->answers_every_step || t + 1 == steps) {
            run_section(program, answer, program->answer, c, t);
            for (size_t lane = 0; lane < c->lanes; lane++) {
                memcpy(output + lane * answer_bytes, at(c, &program->output, t, lane), bytes);
            }
            output += bytes;
        }
        for (int64_t k = 0; k < program->state_count; k++) {
            const state *each = program->states + k;
            copy_lanes(c, &each->before, 0, 0, &each->after, t, 0, each->bytes);
        }
    }
}

static call new_call(const edgernn_program *program, size_t lanes, void **block) {
    call c;
    *block = malloc(program->work_bytes * lanes + 64);
    const uintptr_t start = ((uintptr_t)*block + 63u) & ~(uintptr_t)63;
    c.of[IN_WORK] = (uint8_t *)start;
    c.of[IN_CONSTANTS] = program->constants;
    c.lanes = lanes;
    return c;
}

/* Sets the input of the lanes. A float32 input stays in the caller's memory, which no instruction may write to (see
plan.c). An int8 input is copied, because kernels load bytes beyond its end. */
static void set_input(const edgernn_program *program, call *c, const void *input, size_t bytes) {
    c->of[IN_INPUT] = (uint8_t *)(uintptr_t)input;
    if (program->input.memory == IN_WORK) {
        memcpy(at(c, &program->input, 0, 0), input, bytes * c->lanes);
    }
}

/* True if the input of all lanes is usual. The check directly before the use costs least: it loads the input into the
cache. */
static int is_usual(const edgernn_program *program, const float *x, size_t lanes, size_t count, const float *max_square) {
    if (!max_square) {
        return program->kernels->all_finite(x, lanes * count);
    }
    for (size_t lane = 0; lane < lanes; lane++) {
        const float square = program->kernels->sum_of_squares(x + lane * count, count);
        if (!(square <= *max_square && square <= FLT_MAX)) { /* also NaN */
            return 0;
        }
    }
    return 1;
}

edgernn_status edgernn_run(
    const edgernn_program *program, const void *input, size_t samples, void *output, const float *max_square) {
    const size_t bytes = program->row_bytes * program->steps;
    void *block;
    call c = new_call(program, samples < program->lanes ? samples : program->lanes, &block);
    if (!block) {
        return EDGERNN_NO_MEMORY;
    }
    edgernn_status status = EDGERNN_OK;
    edgernn_sizes sizes;
    edgernn_get_sizes(program, &sizes);
    for (size_t sample = 0; sample < samples; sample += c.lanes) {
        c.lanes = samples - sample < c.lanes ? samples - sample : c.lanes;
        const uint8_t *x = (const uint8_t *)input + sample * bytes;
        if (program->float_input && !is_usual(program, (const float *)(const void *)x, c.lanes, bytes / 4, max_square)) {
            status = EDGERNN_NOT_USUAL;
            break;
        }
        set_input(program, &c, x, bytes);
        for (int64_t k = 0; k < program->state_count; k++) {
            const state *each = program->states + k;
            for (size_t lane = 0; lane < c.lanes; lane++) {
                memset(at(&c, &each->before, 0, lane), each->type == INT8 ? (int)(each->zero & 255u) : 0, each->bytes);
            }
        }
        run_lanes(program, &c, (uint8_t *)output + sample * sizes.answer_bytes, sizes.answer_bytes);
    }
    free(block);
    return status;
}

edgernn_status edgernn_step(
    const edgernn_program *program, const void *row, void *states, void *answer, int is_finite) {
    if (!is_finite && program->float_input && !program->kernels->all_finite((const float *)row, program->row_bytes / 4)) {
        return EDGERNN_NOT_USUAL;
    }
    void *block;
    call c = new_call(program, 1, &block);
    if (!block) {
        return EDGERNN_NO_MEMORY;
    }
    set_input(program, &c, row, program->row_bytes);
    uint8_t *place = (uint8_t *)states;
    for (int64_t k = 0; k < program->state_count; place += program->states[k].bytes, k++) {
        memcpy(at(&c, &program->states[k].before, 0, 0), place, program->states[k].bytes);
    }
    run_rows(program, &c, 1);
    const instruction *step = program->instructions + program->rows;
    run_section(program, step, program->step, &c, 0);
    run_section(program, step + program->step, program->answer, &c, 0);
    memcpy(answer, at(&c, &program->output, 0, 0), program->step_answer_bytes);
    place = (uint8_t *)states;
    for (int64_t k = 0; k < program->state_count; place += program->states[k].bytes, k++) {
        memcpy(place, at(&c, &program->states[k].after, 0, 0), program->states[k].bytes);
    }
    free(block);
    return EDGERNN_OK;
}

void edgernn_zero_states(const edgernn_program *program, void *states) {
    uint8_t *place = (uint8_t *)states;
    for (int64_t k = 0; k < program->state_count; place += program->states[k].bytes, k++) {
        memset(place, program->states[k].type == INT8 ? (int)(program->states[k].zero & 255u) : 0,
               program->states[k].bytes);
    }
}

void edgernn_get_sizes(const edgernn_program *program, edgernn_sizes *sizes) {
    const size_t answers = program->answers_every_step ? program->steps : 1;
    *sizes = (edgernn_sizes){
        .steps = program->steps,
        .row_bytes = program->row_bytes,
        .answer_bytes = answers * program->step_answer_bytes,
        .step_answer_bytes = program->step_answer_bytes,
        .state_bytes = program->state_bytes,
        .float_input = program->float_input,
        .float_output = program->float_output,
        .streams = program->state_count > 0,
        .work_bytes = program->work_bytes,
        .lanes = program->lanes,
    };
}
