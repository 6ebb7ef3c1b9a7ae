/* Kernels: the operators on arrays, compiled once for each instruction set.

int8 results are bit-identical with every instruction set. float32 results differ in the last bits, because each
instruction set adds in its own order.

A matrix is packed when a program is loaded, in the layout of the instruction set's `linear_i8` or `linear_f32`:

    [blocks of columns][groups of 4 inputs][columns of the block][4 inputs]      int8, missing columns and inputs are 0
    [blocks of columns][inputs][columns of the block]                            float32

One load of int8 weights then serves four neighbouring inputs. */
#ifndef EDGERNN_KERNELS_H
#define EDGERNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* For functions that are large, or that would need many registers of their caller. */
#define NOT_INLINE __attribute__((noinline)) static void

/* A matrix of int8 weights: out = clamp(rint((x · w + bias) × multiplier) + zero_point). An addend may follow, which is
added with saturation, then a table. */
typedef struct {
    int inputs, outputs;
    int groups; /* of 4 inputs */
    int blocks;
    const int8_t *weights;
    const int32_t *bias;
    const float *multipliers;
    int zero_point, low, high;
    const uint8_t *table; /* prepared, or NULL */
} edgernn_linear_i8;

typedef struct {
    int inputs, outputs, blocks;
    const float *weights;
    const float *bias;
    float low, high;
} edgernn_linear_f32;

/* Number of rows of the operands, and the elements from one row to the next. Rows of several samples need not be
contiguous. */
typedef struct {
    int count;
    ptrdiff_t x, b, out;
} edgernn_rows;

/* out = clamp(((a × a_multiplier + b × b_multiplier + bias) >> shift) + zero_point), halves rounded up. */
typedef struct {
    int32_t a_multiplier, b_multiplier, bias;
    int shift, zero_point, low, high;
} edgernn_sum_i8;

/* out = clamp(rint((a - a_zero_point) × (b - b_zero_point) × multiplier) + zero_point). */
typedef struct {
    int a_zero_point, b_zero_point, zero_point, low, high;
    float multiplier;
} edgernn_product_i8;

typedef enum {
    EDGERNN_TANH,
    EDGERNN_LOGISTIC,
    EDGERNN_RELU,
    EDGERNN_RELU6,
    EDGERNN_EXP,
    EDGERNN_LOG,
    EDGERNN_SQRT,
    EDGERNN_RSQRT,
    EDGERNN_ABS,
    EDGERNN_NEG,
    EDGERNN_SQUARE,
    EDGERNN_GELU,
    EDGERNN_GELU_TANH,
    EDGERNN_ELU,
    EDGERNN_LEAKY_RELU,
    EDGERNN_HARD_SWISH,
    EDGERNN_FUNCTIONS
} edgernn_function;

typedef enum {
    EDGERNN_ADD,
    EDGERNN_SUBTRACT,
    EDGERNN_MULTIPLY,
    EDGERNN_DIVIDE,
    EDGERNN_MINIMUM,
    EDGERNN_MAXIMUM,
    EDGERNN_SQUARED_DIFFERENCE,
    EDGERNN_GREATER,
    EDGERNN_GREATER_EQUAL,
    EDGERNN_LESS,
    EDGERNN_LESS_EQUAL,
    EDGERNN_BINARIES
} edgernn_binary;

/* out = clamp(kind(a, b)), or clamp(kind(b, a)) if `swapped`. */
typedef struct {
    edgernn_binary kind;
    int swapped;
    float low, high;
} edgernn_binary_f32;

typedef struct {
    const char *name;
    int columns_i8, columns_f32; /* columns of a block */
    int input_offset;            /* added to each input by its int8 product, and subtracted again in the bias */
    /* Place of a column among the packed columns of its int8 block. */
    int (*place)(int column);
    /* The addend is NULL for none. */
    void (*linear_i8)(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out,
                      const edgernn_rows *rows);
    void (*linear_f32)(const edgernn_linear_f32 *linear, const float *x, float *out, const edgernn_rows *rows);
    /* A table has the results of -128 to 127. `prepare_table` arranges them for `table_i8`; `prepared` has
    EDGERNN_TABLE_BYTES bytes, all zero before. */
    void (*prepare_table)(const int8_t *table, uint8_t *prepared);
    void (*table_i8)(const uint8_t *prepared, const int8_t *x, int count, int8_t *out);
    void (*sum_i8)(const edgernn_sum_i8 *sum, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                   const edgernn_rows *rows);
    void (*saturating_sum_i8)(const int8_t *a, const int8_t *b, int columns, int8_t *out, const edgernn_rows *rows);
    void (*product_i8)(const edgernn_product_i8 *product, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                       const edgernn_rows *rows);
    void (*binary_f32)(const edgernn_binary_f32 *binary, const float *a, const float *b, int columns, float *out,
                       const edgernn_rows *rows);
    void (*function_f32)(edgernn_function kind, const float *parameters, const float *x, int count, float *out);
    void (*quantize)(float inverse_scale, int zero_point, const float *x, int count, int8_t *out);
    void (*dequantize)(float scale, int zero_point, const int8_t *x, int count, float *out);
    int (*all_finite)(const float *x, size_t count);
    /* NaN or infinity if an element is, or if the sum is too large for float32. */
    float (*sum_of_squares)(const float *x, size_t count);
} edgernn_kernels;

#define EDGERNN_TABLE_BYTES (256 + 64)

/* Returns the kernels of an instruction set, one bit of cpu.h; NULL if they are not compiled in. */
const edgernn_kernels *edgernn_kernels_of(unsigned instruction_set);

extern const edgernn_kernels edgernn_kernels_scalar;
#if defined(__x86_64__)
extern const edgernn_kernels edgernn_kernels_avx2;
extern const edgernn_kernels edgernn_kernels_avxvnni;
extern const edgernn_kernels edgernn_kernels_avx512vnni;
extern const edgernn_kernels edgernn_kernels_avx512vbmi; /* in kernels_avx512vnni.c */
#endif
/* On 32-bit Arm, kernels_neon.c alone is compiled for NEON. */
#if defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
#define EDGERNN_HAS_NEON
extern const edgernn_kernels edgernn_kernels_neon;
#endif
#if defined(__aarch64__)
extern const edgernn_kernels edgernn_kernels_neondot;
#endif

#endif
