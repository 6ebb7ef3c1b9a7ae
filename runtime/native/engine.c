/* Running a program: its instructions, one after the other, on the memory of one call. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* The memories of a call, by `memory`. Constants are only read; plan.c refuses to write there. */
typedef struct {
    uint8_t *of[MEMORIES];
} memories;

static inline void *at(const memories *all, const operand *each, size_t step) {
    return all->of[each->memory] + each->place + step * each->stride;
}

static void softmax_i8(const instruction *i, const int8_t *x, int8_t *out, int64_t rows) {
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

static void softmax_f32(const instruction *i, const float *x, float *out, int64_t rows) {
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

static void reduce_f32(const instruction *i, const float *x, float *out) {
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
static void reduce_i8(const instruction *i, const int8_t *x, int8_t *out) {
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

/* Copies bytes that were just written. The C library may load 64 at once, and such a load waits until smaller stores to
them have reached the cache. */
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
static void convolve(const edgernn_kernels *kernels, const instruction *i, const uint8_t *x, uint8_t *out,
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
            kernels->linear_i8(&i->as.convolution.i8, (const int8_t *)window, 1, NULL, (int8_t *)out + t * outputs);
        } else {
            kernels->linear_f32(&i->as.convolution.f32, (const float *)(const void *)window, 1,
                                (float *)(void *)out + t * outputs);
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

static void pool(const instruction *i, const void *x, void *out) {
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

static void extreme_i8(const instruction *i, const int8_t *a, const int8_t *b, int8_t *out, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        out[k] = (a[k] > b[k]) == i->as.extreme.is_maximum ? a[k] : b[k];
    }
}

/* Squares of differences, in TFLite's fixed point: rounded once to 31 bits, and once more. */
static void squares_i8(const instruction *i, const int8_t *a, const int8_t *b, int8_t *out, int64_t count) {
    const int shift = i->as.squares.shift;
    for (int64_t k = 0; k < count; k++) {
        const int64_t difference = i->as.squares.a_table[a[k] + 128] - i->as.squares.b_table[b[k] + 128];
        const int64_t square = (difference * difference * i->as.squares.multiplier + (1 << 30)) >> 31;
        const int64_t result = ((square + ((int64_t)1 << shift >> 1)) >> shift) + i->as.squares.zero_point;
        out[k] = (int8_t)(result > 127 ? 127 : result);
    }
}

static void choose(const instruction *i, const float *condition, const uint8_t *a, const uint8_t *b, uint8_t *out) {
    const int64_t size = i->type == INT8 ? 1 : 4;
    for (int64_t k = 0; k < i->elements; k++) {
        memcpy(out + k * size, (condition[k] != 0.0f ? a : b) + k * size, (size_t)size);
    }
}

static void copy(const instruction *i, const uint8_t *x, uint8_t *out) {
    const int64_t size = i->type == INT8 ? 1 : 4;
    const int64_t *sizes = i->as.copy.sizes, *from = i->as.copy.x_strides, *to = i->as.copy.out_strides;
    /* The innermost axis is copied at once where its elements are neighbours. */
    const int together = from[4] == 1 && to[4] == 1;
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
                    for (int64_t e = 0; e < sizes[4]; e++) {
                        memmove(target + size * e * to[4], source + size * e * from[4], (size_t)size);
                    }
                }
            }
        }
    }
}

/* Repeats the elements of b until there are `count`; returns them. */
static const void *expand(const instruction *i, const void *b, int64_t count, void *expanded) {
    const int64_t size = i->type == INT8 ? 1 : 4;
    for (int64_t k = 0; k < count; k++) {
        memcpy((uint8_t *)expanded + k * size, (const uint8_t *)b + (k / i->b_run) % i->b_elements * size,
               (size_t)size);
    }
    return expanded;
}

static void run_instruction(const edgernn_program *program, const instruction *i, const memories *all, size_t step,
                            int64_t times);

static void run_repeat(const edgernn_program *program, const instruction *i, const memories *all, size_t step) {
    for (int64_t r = 0; r < i->as.repeat.rounds; r++) {
        memmove(at(all, &i->as.repeat.block, step),
                (uint8_t *)at(all, &i->as.repeat.blocks, step) + r * i->as.repeat.block_bytes,
                (size_t)i->as.repeat.block_bytes);
        for (int64_t k = 0; k < i->as.repeat.body; k++) {
            run_instruction(program, i + 1 + k, all, step, 1);
        }
        if (i->as.repeat.answer_bytes) {
            memmove((uint8_t *)at(all, &i->as.repeat.answers, step) + r * i->as.repeat.answer_bytes,
                    at(all, &i->as.repeat.answer, step), (size_t)i->as.repeat.answer_bytes);
        }
        for (int64_t k = 0; k < i->as.repeat.carried; k++) {
            copy_written(at(all, i->as.repeat.pairs + 2 * k, step), at(all, i->as.repeat.pairs + 2 * k + 1, step),
                         (size_t)i->as.repeat.pair_bytes[k]);
        }
    }
}

/* Runs an instruction on `times` time steps that lie side by side. */
static void run_instruction(const edgernn_program *program, const instruction *i, const memories *all, size_t step,
                            int64_t times) {
    const edgernn_kernels *kernels = program->kernels;
    const int64_t count = i->elements * times;
    const void *x = at(all, &i->x, step), *b = at(all, &i->b, step);
    if (i->b_repeats) {
        b = expand(i, b, count, all->of[IN_WORK] + i->expanded);
    }
    void *out = at(all, &i->out, step);
    const int8_t *x8 = (const int8_t *)x, *b8 = (const int8_t *)b;
    const float *x32 = (const float *)x, *b32 = (const float *)b;
    int8_t *out8 = (int8_t *)out;
    float *out32 = (float *)out;
    switch (i->op) {
        case OP_QUANTIZE: kernels->quantize(i->scale_in, i->zero_point, x32, (int)count, out8); break;
        case OP_DEQUANTIZE: kernels->dequantize(i->scale_in, i->zero_point, x8, (int)count, out32); break;
        case OP_LINEAR:
            if (i->type == INT8) {
                kernels->linear_i8(&i->as.linear.i8, x8, (int)(i->as.linear.rows * times),
                                   i->as.linear.has_addend ? b8 : NULL, out8);
            } else {
                kernels->linear_f32(&i->as.linear.f32, x32, (int)(i->as.linear.rows * times), out32);
            }
            break;
        case OP_SUM:
            if (i->as.sum.shift == 0) {
                kernels->saturating_sum_i8(x8, b8, (int)count, out8);
            } else {
                kernels->sum_i8(&i->as.sum, x8, b8, (int)count, out8);
            }
            break;
        case OP_PRODUCT: kernels->product_i8(&i->as.product, x8, b8, (int)count, out8); break;
        case OP_BINARY:
            kernels->binary_f32(i->as.binary.kind, i->as.binary.swapped ? b32 : x32, i->as.binary.swapped ? x32 : b32,
                                (int)count, i->as.binary.low, i->as.binary.high, out32);
            break;
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
            convolve(kernels, i, x, out, all->of[IN_WORK] + i->as.convolution.window);
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
        case OP_REPEAT: run_repeat(program, i, all, step); break;
        case OP_EXTREME: extreme_i8(i, x8, b8, out8, count); break;
        case OP_SELECT: choose(i, at(all, &i->as.select.condition, step), x, b, out); break;
        case OP_SQUARES: squares_i8(i, x8, b8, out8, count); break;
    }
}

static void run_section(const edgernn_program *program, const instruction *from, int64_t count, const memories *all,
                        size_t step) {
    for (int64_t k = 0; k < count; k++) {
        run_instruction(program, from + k, all, step, 1);
        if (from[k].op == OP_REPEAT) {
            k += from[k].as.repeat.body;
        }
    }
}

static void run_rows(const edgernn_program *program, const memories *all, size_t steps) {
    for (int64_t k = 0; k < program->rows; k++) {
        const instruction *i = program->instructions + k;
        if (i->is_whole) {
            run_instruction(program, i, all, 0, (int64_t)steps);
            continue;
        }
        for (size_t step = 0; step < steps; step++) {
            run_instruction(program, i, all, step, 1);
        }
    }
}

static void keep_states(const edgernn_program *program, const memories *all, size_t step) {
    for (int64_t k = 0; k < program->state_count; k++) {
        const state *each = program->states + k;
        copy_written(at(all, &each->before, 0), at(all, &each->after, step), each->bytes);
    }
}

static void run_one(const edgernn_program *program, const memories *all, uint8_t *output) {
    const instruction *step = program->instructions + program->rows, *answer = step + program->step;
    const size_t bytes = program->step_answer_bytes, steps = program->state_count ? program->steps : 1;
    run_rows(program, all, steps);
    for (size_t t = 0; t < steps; t++) {
        run_section(program, step, program->step, all, t);
        if (program->answers_every_step || t + 1 == steps) {
            run_section(program, answer, program->answer, all, t);
            memcpy(output, at(all, &program->output, t), bytes);
            output += bytes;
        }
        keep_states(program, all, t);
    }
}

static memories new_memories(const edgernn_program *program, void **block) {
    memories all;
    *block = malloc(program->work_bytes + 64);
    const uintptr_t start = ((uintptr_t)*block + 63u) & ~(uintptr_t)63;
    all.of[IN_WORK] = (uint8_t *)start;
    all.of[IN_CONSTANTS] = program->constants;
    return all;
}

edgernn_status edgernn_run(
    const edgernn_program *program, const void *input, size_t samples, void *output, int is_finite) {
    const size_t bytes = program->row_bytes * program->steps;
    if (!is_finite && program->float_input && !program->kernels->all_finite((const float *)input, samples * bytes / 4)) {
        return EDGERNN_NOT_FINITE;
    }
    void *block;
    memories all = new_memories(program, &block);
    if (!block) {
        return EDGERNN_NO_MEMORY;
    }
    edgernn_sizes sizes;
    edgernn_get_sizes(program, &sizes);
    for (size_t sample = 0; sample < samples; sample++) {
        memcpy(at(&all, &program->input, 0), (const uint8_t *)input + sample * bytes, bytes);
        for (int64_t k = 0; k < program->state_count; k++) {
            const state *each = program->states + k;
            uint8_t *before = (uint8_t *)at(&all, &each->before, 0);
            if (each->type == INT8) {
                memset(before, (int)(each->zero & 255u), each->bytes);
            } else {
                memset(before, 0, each->bytes);
            }
        }
        run_one(program, &all, (uint8_t *)output + sample * sizes.answer_bytes);
    }
    free(block);
    return EDGERNN_OK;
}

edgernn_status edgernn_step(
    const edgernn_program *program, const void *row, void *states, void *answer, int is_finite) {
    if (!is_finite && program->float_input && !program->kernels->all_finite((const float *)row, program->row_bytes / 4)) {
        return EDGERNN_NOT_FINITE;
    }
    void *block;
    memories all = new_memories(program, &block);
    if (!block) {
        return EDGERNN_NO_MEMORY;
    }
    memcpy(at(&all, &program->input, 0), row, program->row_bytes);
    uint8_t *place = (uint8_t *)states;
    for (int64_t k = 0; k < program->state_count; place += program->states[k].bytes, k++) {
        memcpy(at(&all, &program->states[k].before, 0), place, program->states[k].bytes);
    }
    run_rows(program, &all, 1);
    const instruction *step = program->instructions + program->rows;
    run_section(program, step, program->step, &all, 0);
    run_section(program, step + program->step, program->answer, &all, 0);
    memcpy(answer, at(&all, &program->output, 0), program->step_answer_bytes);
    place = (uint8_t *)states;
    for (int64_t k = 0; k < program->state_count; place += program->states[k].bytes, k++) {
        memcpy(place, at(&all, &program->states[k].after, 0), program->states[k].bytes);
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
    };
}
