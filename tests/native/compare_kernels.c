/* Compares all kernels of this processor with the reference kernels, on random numbers: int8 bit for bit.

Prints one line for each instruction set: its name, the comparisons, and those that differ. The first line is of the
reference kernels: digests of their results in int8 and in float32, which are the same on every machine. Exit code 1 if
anything differs. Behind each operand is memory with other bytes in each call, which no result may depend on. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/native/cpu.h"
#include "../../runtime/native/kernels.h"

#define MAX_SIZE 130
#define MAX_ROWS 9 /* more than the rows that any instruction set computes together */
#define MAX_GAP 70 /* elements between the end of a row and the next */
#define BEYOND 64
#define SETS 32
#define ELEMENTS (MAX_ROWS * (MAX_SIZE + MAX_GAP))
/* Largest difference of float32 sums, whose order differs, by the sum of their terms' sizes. */
#define MAX_DIFFERENCE 1e-6f

static uint64_t state;

static uint32_t next_number(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

static int between(int low, int high) { return low + (int)(next_number() % (uint32_t)(high - low + 1)); }

/* Mostly small numbers, in which rounding shows, sometimes very large or small ones. */
static float real(void) {
    const float number = (float)between(-30000, 30000) / 8192.0f;
    return between(0, 9) ? number : ldexpf(number, between(-40, 40));
}

static void fill_i8(int8_t *bytes, size_t count, int low) {
    for (size_t k = 0; k < count; k++) {
        bytes[k] = (int8_t)(between(0, 7) ? between(low, 127) : between(0, 1) ? low : 127);
    }
}

static uint32_t digest(uint32_t sum, const void *bytes, size_t count) {
    for (size_t k = 0; k < count; k++) {
        sum = (sum ^ ((const uint8_t *)bytes)[k]) * 16777619u;
    }
    return sum;
}

typedef struct {
    int8_t a[ELEMENTS + BEYOND], b[ELEMENTS + BEYOND]; /* of products */
    int8_t c[MAX_SIZE];
    int8_t e[ELEMENTS], f[ELEMENTS]; /* of sums and products of two operands */
    float x[ELEMENTS], y[ELEMENTS];
    int8_t weights[MAX_SIZE * MAX_SIZE], table[256];
    float real_weights[MAX_SIZE * MAX_SIZE];
    int32_t bias[MAX_SIZE];
    float multipliers[MAX_SIZE];
    int rows, inputs, outputs, gap, count, has_addend, has_table, offset, binary, function;
    edgernn_linear_i8 linear;
    edgernn_sum_i8 sum;
    edgernn_product_i8 product;
    float scale;
} numbers;

typedef struct {
    int8_t linear[ELEMENTS], table[ELEMENTS], sum[ELEMENTS], saturating[ELEMENTS], product[ELEMENTS], quantized[ELEMENTS];
    int finite;
    float real_linear[ELEMENTS], dequantized[ELEMENTS], binary[ELEMENTS], function[ELEMENTS];
} results;

static void draw(numbers *n) {
    memset(n, 0, sizeof *n);
    n->rows = between(1, MAX_ROWS);
    n->inputs = between(1, MAX_SIZE);
    n->outputs = between(1, MAX_SIZE);
    n->gap = between(0, 1) ? 0 : between(1, MAX_GAP);
    n->count = between(1, MAX_SIZE);
    n->has_addend = between(0, 1);
    n->has_table = between(0, 1);
    n->binary = between(0, EDGERNN_BINARIES - 1);
    /* Functions of the C library differ between machines; these are edgernn's own. */
    n->function = between(EDGERNN_TANH, EDGERNN_RELU6);
    fill_i8(n->a, ELEMENTS, -128);
    fill_i8(n->b, ELEMENTS, -128);
    fill_i8(n->c, MAX_SIZE, -128);
    fill_i8(n->e, ELEMENTS, -128);
    fill_i8(n->f, ELEMENTS, -128);
    fill_i8(n->table, 256, -128);
    fill_i8(n->weights, sizeof n->weights, -127);
    for (int k = 0; k < ELEMENTS; k++) {
        n->x[k] = real();
        n->y[k] = real();
    }
    for (int k = 0; k < MAX_SIZE * MAX_SIZE; k++) {
        n->real_weights[k] = (float)between(-1000, 1000) / 512.0f;
    }
    const float largest = ldexpf(1.0f, between(-20, 8));
    for (int k = 0; k < MAX_SIZE; k++) {
        n->bias[k] = between(-100000, 100000) * (between(0, 19) ? 1 : 5000);
        n->multipliers[k] = largest * (float)between(1, 1 << 24) / (float)(1 << 24);
    }
    n->offset = between(-128, 127);
    n->linear.zero_point = n->has_addend ? 0 : between(-128, 127);
    n->linear.low = between(0, 2) ? -128 : between(-128, 127);
    n->linear.high = between(0, 2) ? 127 : between(n->linear.low, 127);
    n->sum = (edgernn_sum_i8){between(-(1 << 21), 1 << 21), between(-(1 << 21), 1 << 21), between(-(1 << 24), 1 << 24),
                              between(1, 24), between(-128, 127), n->linear.low, n->linear.high};
    n->product = (edgernn_product_i8){between(-128, 127), between(-128, 127), between(-128, 127), n->linear.low,
                                      n->linear.high, n->multipliers[0]};
    n->scale = ldexpf((float)between(1, 1000), between(-20, 5));
}

static edgernn_rows rows_of(const numbers *n, int inputs, int outputs) {
    return (edgernn_rows){n->rows, inputs + n->gap, outputs + n->gap, outputs + n->gap};
}

/* Packs the weights as plan.c does. */
static void run_linear(const edgernn_kernels *kernels, const numbers *n, results *found) {
    const int groups = (n->inputs + 3) / 4, columns = kernels->columns_i8, real_columns = kernels->columns_f32;
    const int blocks = (n->outputs + columns - 1) / columns, real_blocks = (n->outputs + real_columns - 1) / real_columns;
    int8_t *weights = calloc((size_t)(blocks * columns * groups * 4), 1);
    int32_t *bias = calloc((size_t)(blocks * columns), 4);
    float *multipliers = calloc((size_t)(blocks * columns), 4);
    float *real_weights = calloc((size_t)(real_blocks * real_columns * n->inputs), 4);
    float *real_bias = calloc((size_t)(real_blocks * real_columns), 4);
    uint8_t prepared[EDGERNN_TABLE_BYTES] = {0};
    kernels->prepare_table(n->table, prepared);
    for (int j = 0; j < n->outputs; j++) {
        const int block = j / columns, place = kernels->place(j % columns);
        int32_t sum = 0;
        for (int k = 0; k < n->inputs; k++) {
            const int8_t weight = n->weights[j * MAX_SIZE + k];
            weights[((block * groups + k / 4) * columns + place) * 4 + k % 4] = weight;
            sum += weight;
            real_weights[(j / real_columns * n->inputs + k) * real_columns + j % real_columns] =
                n->real_weights[j * MAX_SIZE + k];
        }
        bias[block * columns + place] = n->bias[j] - (n->offset + kernels->input_offset) * sum;
        multipliers[block * columns + place] = n->multipliers[j];
        real_bias[j] = (float)n->bias[j] / 65536.0f;
    }
    edgernn_linear_i8 linear = n->linear;
    linear.inputs = n->inputs;
    linear.outputs = n->outputs;
    linear.groups = groups;
    linear.blocks = blocks;
    linear.weights = weights;
    linear.bias = bias;
    linear.multipliers = multipliers;
    linear.table = n->has_table ? prepared : NULL;
    const edgernn_rows rows = rows_of(n, n->inputs, n->outputs);
    kernels->linear_i8(&linear, n->a, n->has_addend ? n->b : NULL, found->linear, &rows);
    const edgernn_linear_f32 real_linear = {n->inputs, n->outputs, real_blocks, real_weights, real_bias, -1e30f, 1e30f};
    float x[ELEMENTS];
    for (int k = 0; k < ELEMENTS; k++) {
        x[k] = (float)n->a[k] / 64.0f;
    }
    kernels->linear_f32(&real_linear, x, found->real_linear, &rows);
    kernels->table_i8(prepared, n->c, n->count, found->table);
    free(weights);
    free(bias);
    free(multipliers);
    free(real_weights);
    free(real_bias);
}

static void run_kernels(const edgernn_kernels *kernels, numbers *n, results *found) {
    memset(found, 0, sizeof *found);
    /* Other bytes in every call. */
    static uint8_t beyond = 1;
    memset(n->a + (n->rows - 1) * (n->inputs + n->gap) + n->inputs, beyond, BEYOND);
    memset(n->b + (n->rows - 1) * (n->outputs + n->gap) + n->outputs, beyond, BEYOND);
    beyond = (uint8_t)(beyond * 5u + 3u);
    run_linear(kernels, n, found);
    const float parameters[2] = {0.1f, 0.0f};
    const edgernn_rows rows = rows_of(n, n->count, n->count);
    kernels->sum_i8(&n->sum, n->e, n->f, n->count, found->sum, &rows);
    kernels->saturating_sum_i8(n->e, n->f, n->count, found->saturating, &rows);
    kernels->product_i8(&n->product, n->e, n->f, n->count, found->product, &rows);
    kernels->quantize(n->scale, n->product.zero_point, n->x, n->count, found->quantized);
    kernels->dequantize(n->scale, n->product.zero_point, n->c, n->count, found->dequantized);
    const edgernn_binary_f32 binary = {(edgernn_binary)n->binary, 0, -1e6f, 1e6f};
    kernels->binary_f32(&binary, n->x, n->y, n->count, found->binary, &rows);
    kernels->function_f32((edgernn_function)n->function, parameters, n->x, n->count, found->function);
    found->finite = kernels->all_finite(n->x, (size_t)n->count);
}

static int are_near(const float *one, const float *other, float allowed) {
    for (int k = 0; k < ELEMENTS; k++) {
        if (!(fabsf(one[k] - other[k]) <= allowed * (1.0f + fabsf(other[k])))) {
            return 0;
        }
    }
    return 1;
}

static int are_equal(const results *found, const results *right) {
    /* Everything up to the float32 results is int8. */
    const float of_sum = (float)MAX_SIZE * 16.0f * MAX_DIFFERENCE;
    return !memcmp(found, right, offsetof(results, real_linear)) &&
           are_near(found->real_linear, right->real_linear, of_sum) &&
           are_near(found->dequantized, right->dequantized, MAX_DIFFERENCE) &&
           are_near(found->binary, right->binary, MAX_DIFFERENCE) &&
           are_near(found->function, right->function, MAX_DIFFERENCE);
}

/* The kernels of a bit of cpu.h that this processor can run, or NULL. */
static const edgernn_kernels *usable_kernels(int bit) {
    return edgernn_instruction_sets() & 1u << bit ? edgernn_kernels_of(1u << bit) : NULL;
}

int main(int count, char **words) {
    const long rounds = count > 1 ? strtol(words[1], NULL, 10) : 1000;
    static numbers n;
    static results right, found;
    uint32_t integers = 2166136261u, reals = integers;
    long different[SETS] = {0}, wrong = 0;
    for (long round = 0; round < rounds; round++) {
        draw(&n);
        run_kernels(&edgernn_kernels_scalar, &n, &right);
        integers = digest(integers, &right, offsetof(results, real_linear));
        reals = digest(reals, right.real_linear, sizeof right - offsetof(results, real_linear));
        for (int bit = 1; bit < SETS; bit++) {
            const edgernn_kernels *kernels = usable_kernels(bit);
            if (kernels) {
                run_kernels(kernels, &n, &found);
                different[bit] += !are_equal(&found, &right);
            }
        }
    }
    printf("scalar %08lx %08lx\n", (unsigned long)integers, (unsigned long)reals);
    for (int bit = 1; bit < SETS; bit++) {
        const edgernn_kernels *kernels = usable_kernels(bit);
        if (kernels) {
            printf("%s %ld %ld\n", kernels->name, rounds, different[bit]);
            wrong += different[bit];
        }
    }
    return wrong > 0;
}
