/* The kernels in plain C, for the compiler to vectorize. The file of each instruction set includes this one, after it has
defined

    KERNELS, NAME      its table of kernels, for example edgernn_kernels_avx2, and its name, "avx2"
    COLUMNS_I8         columns of an int8 block
    COLUMNS_F32        columns of a float32 block
    INPUT_OFFSET       `input_offset` of kernels.h: 128 if its product multiplies unsigned inputs, otherwise 0

and the functions `column_place`, `linear_row_i8`, `table_i8` and `prepare_table`, see kernels.h; with
HAS_BLOCK_SUMS_F32 also `block_sums_f32`. */

#include <math.h>
#include <string.h>

static inline int8_t clamp_i8(int32_t value, int low, int high) {
    return (int8_t)(value < low ? low : value > high ? high : value);
}

/* Rounds to the nearest integer, ties to even, for |x| < 2^22: a float32 near 1.5 × 2^23 has no fractional bits. */
static inline float round_small(float x) {
    const float magic = 12582912.0f;
    return (x + magic) - magic;
}

/* Rounds to the nearest integer and limits it; the limits are integers with |limit| < 2^22. NaN becomes the lowest. */
static inline int8_t round_clamped(float x, float low, float high, int zero_point) {
    float limited = x > low ? x : low;
    limited = limited > high ? high : limited;
    return (int8_t)((int32_t)round_small(limited) + zero_point);
}

/* `linear_row_i8` computes a row, `linear_tile_i8` TILE_ROWS rows. */
#ifndef TILE_ROWS
#define TILE_ROWS 1
#define linear_tile_i8(linear, x, addend, out, rows) linear_row_i8(linear, x, addend, out)
#endif

static void linear_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out,
                      const edgernn_rows *rows) {
    if (rows->count == 1) {
        linear_row_i8(linear, x, addend, out);
        return;
    }
    for (int row = 0, height; row < rows->count; row += height) {
        height = TILE_ROWS > 1 && row + TILE_ROWS <= rows->count ? TILE_ROWS : 1;
        if (height == 1) {
            linear_row_i8(linear, x, addend, out);
        } else {
            linear_tile_i8(linear, x, addend, out, rows);
        }
        x += height * rows->x;
        addend = addend ? addend + height * rows->b : NULL;
        out += height * rows->out;
    }
}

/* `block_sums_f32` computes bias + Σ x × weights for the columns of a block. `tile_sums_f32` does so for TILE_ROWS_F32
rows; sums [rows][COLUMNS_F32]. Without those of an instruction set, plain C is used. */
#ifndef HAS_BLOCK_SUMS_F32
static void block_sums_f32(const float *x, int inputs, const float *weights, const float *bias, float *sums) {
    memcpy(sums, bias, COLUMNS_F32 * sizeof *sums);
    for (int i = 0; i < inputs; i++, weights += COLUMNS_F32) {
        for (int c = 0; c < COLUMNS_F32; c++) {
            sums[c] = MULTIPLY_ADD(x[i], weights[c], sums[c]);
        }
    }
}
#endif

static inline void limit_f32(const float *x, int count, float low, float high, float *out) {
    for (int i = 0; i < count; i++) {
        const float above = x[i] < low ? low : x[i];
        out[i] = above > high ? high : above;
    }
}

NOT_INLINE linear_row_f32(const edgernn_linear_f32 *linear, const float *x, float *out) {
    const int inputs = linear->inputs, outputs = linear->outputs;
    for (int block = 0; block < linear->blocks; block++) {
        const int first = block * COLUMNS_F32, left = outputs - first;
        float sums[COLUMNS_F32];
        block_sums_f32(x, inputs, linear->weights + (ptrdiff_t)first * inputs, linear->bias + first, sums);
        if (left >= COLUMNS_F32) {
            limit_f32(sums, COLUMNS_F32, linear->low, linear->high, out + first);
        } else {
            limit_f32(sums, left, linear->low, linear->high, out + first);
        }
    }
}

#ifdef TILE_ROWS_F32
/* Computes TILE_ROWS_F32 rows; each is bit-identical to the result of `linear_row_f32`. */
NOT_INLINE linear_tile_f32(const edgernn_linear_f32 *linear, const float *x, float *out, const edgernn_rows *rows) {
    const int inputs = linear->inputs;
    for (int block = 0; block < linear->blocks; block++) {
        const int first = block * COLUMNS_F32, left = linear->outputs - first;
        float sums[TILE_ROWS_F32 * COLUMNS_F32];
        tile_sums_f32(x, rows->x, inputs, linear->weights + (ptrdiff_t)first * inputs, linear->bias + first, sums);
        for (int r = 0; r < TILE_ROWS_F32; r++) {
            limit_f32(sums + r * COLUMNS_F32, left < COLUMNS_F32 ? left : COLUMNS_F32, linear->low, linear->high,
                      out + r * rows->out + first);
        }
    }
}
#else
#define TILE_ROWS_F32 1
#define linear_tile_f32(linear, x, out, rows) linear_row_f32(linear, x, out)
#endif

static void linear_f32(const edgernn_linear_f32 *linear, const float *x, float *out, const edgernn_rows *rows) {
    if (rows->count == 1) {
        linear_row_f32(linear, x, out);
        return;
    }
    for (int row = 0, height; row < rows->count; row += height, x += height * rows->x, out += height * rows->out) {
        height = TILE_ROWS_F32 > 1 && row + TILE_ROWS_F32 <= rows->count ? TILE_ROWS_F32 : 1;
        if (height == 1) {
            linear_row_f32(linear, x, out);
        } else {
            linear_tile_f32(linear, x, out, rows);
        }
    }
}

/* Kernels of two operands have a function for one row and one for several rows. With both loops in one function, the
compiler would check in each row whether operands overlap. */
#define EACH_ROW(call)                                                                                 \
    for (int row = 0; row < rows->count; row++, a += rows->x, b += rows->b, out += rows->out) call

#ifndef HAS_SUM_AND_PRODUCT_I8
NOT_INLINE sum_row(const edgernn_sum_i8 *sum, const int8_t *a, const int8_t *b, int columns, int8_t *out) {
    const edgernn_sum_i8 s = *sum;
    for (int i = 0; i < columns; i++) {
        const int32_t total = s.bias + a[i] * s.a_multiplier + b[i] * s.b_multiplier;
        out[i] = clamp_i8((total >> s.shift) + s.zero_point, s.low, s.high);
    }
}

static void sum_i8(const edgernn_sum_i8 *sum, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                   const edgernn_rows *rows) {
    EACH_ROW(sum_row(sum, a, b, columns, out));
}

NOT_INLINE product_row(const edgernn_product_i8 *product, const int8_t *a, const int8_t *b, int columns, int8_t *out) {
    const edgernn_product_i8 p = *product;
    const float low = (float)(p.low - p.zero_point), high = (float)(p.high - p.zero_point);
    for (int i = 0; i < columns; i++) {
        const int32_t exact = (a[i] - p.a_zero_point) * (b[i] - p.b_zero_point);
        out[i] = round_clamped((float)exact * p.multiplier, low, high, p.zero_point);
    }
}

static void product_i8(const edgernn_product_i8 *product, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                       const edgernn_rows *rows) {
    EACH_ROW(product_row(product, a, b, columns, out));
}
#endif

NOT_INLINE saturating_sum_row(const int8_t *a, const int8_t *b, int columns, int8_t *out) {
    for (int i = 0; i < columns; i++) {
        out[i] = clamp_i8((int32_t)a[i] + b[i], -128, 127);
    }
}

static void saturating_sum_i8(const int8_t *a, const int8_t *b, int columns, int8_t *out, const edgernn_rows *rows) {
    EACH_ROW(saturating_sum_row(a, b, columns, out));
}

/* Keeps the code of loops small that are rarely long. */
#define SMALL_LOOP _Pragma("clang loop interleave(disable) unroll(disable)")

#define EACH_BINARY(expression)                          \
    SMALL_LOOP                                           \
    for (int i = 0; i < columns; i++) {                  \
        const float x = a[i], y = b[i];                  \
        const float result = (expression);               \
        const float above = result < low ? low : result; \
        out[i] = above > high ? high : above;            \
    }                                                    \
    return

NOT_INLINE binary_row(const edgernn_binary_f32 *binary, const float *a, const float *b, int columns, float *out) {
    const float low = binary->low, high = binary->high;
    if (binary->swapped) {
        const float *first = a;
        a = b;
        b = first;
    }
    switch (binary->kind) {
        case EDGERNN_ADD: EACH_BINARY(x + y);
        case EDGERNN_SUBTRACT: EACH_BINARY(x - y);
        case EDGERNN_MULTIPLY: EACH_BINARY(x *y);
        case EDGERNN_DIVIDE: EACH_BINARY(x / y);
        case EDGERNN_MINIMUM: EACH_BINARY(x < y ? x : y);
        case EDGERNN_MAXIMUM: EACH_BINARY(x > y ? x : y);
        case EDGERNN_SQUARED_DIFFERENCE: EACH_BINARY((x - y) * (x - y));
        case EDGERNN_GREATER: EACH_BINARY(x > y ? 1.0f : 0.0f);
        case EDGERNN_GREATER_EQUAL: EACH_BINARY(x >= y ? 1.0f : 0.0f);
        case EDGERNN_LESS: EACH_BINARY(x < y ? 1.0f : 0.0f);
        case EDGERNN_LESS_EQUAL: EACH_BINARY(x <= y ? 1.0f : 0.0f);
        case EDGERNN_BINARIES: break;
    }
}

static void binary_f32(const edgernn_binary_f32 *binary, const float *a, const float *b, int columns, float *out,
                       const edgernn_rows *rows) {
    EACH_ROW(binary_row(binary, a, b, columns, out));
}

/* e^x, within 2 units of the last place: x = n ln 2 + r, then the Taylor series of e^r to r^7, with an error below 1e-9
for |r| <= ln 2 / 2. ln 2 is split into two floats, so that n ln 2 is exact. */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float n = round_small(x * 1.44269504f);
    const float r = MULTIPLY_ADD(n, 2.12194440e-4f, MULTIPLY_ADD(n, -0.693359375f, x));
    float y = 1.0f / 5040.0f;
    y = MULTIPLY_ADD(y, r, 1.0f / 720.0f);
    y = MULTIPLY_ADD(y, r, 1.0f / 120.0f);
    y = MULTIPLY_ADD(y, r, 1.0f / 24.0f);
    y = MULTIPLY_ADD(y, r, 1.0f / 6.0f);
    y = MULTIPLY_ADD(y, r, 0.5f);
    y = MULTIPLY_ADD(y, r, 1.0f);
    y = MULTIPLY_ADD(y, r, 1.0f);
    /* If x is NaN, y is NaN already; the conversion of NaN to an integer would be undefined. */
    const int32_t bits = ((int32_t)(n == n ? n : 0.0f) + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

/* tanh x = 1 - 2 / (e^2x + 1). Near 0 this subtracts almost equal numbers, so there the Taylor series to x^9 is used;
its error is below 1e-8. */
static inline float hyperbolic_tangent(float x) {
    const float square = x * x;
    float near = 62.0f / 2835.0f;
    near = MULTIPLY_ADD(near, square, -17.0f / 315.0f);
    near = MULTIPLY_ADD(near, square, 2.0f / 15.0f);
    near = MULTIPLY_ADD(near, square, -1.0f / 3.0f);
    near = MULTIPLY_ADD(near * square, x, x);
    const float far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f);
    return square < 0.09f ? near : far;
}

static inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

#define EACH_FUNCTION(expression)        \
    SMALL_LOOP                           \
    for (int i = 0; i < count; i++) {    \
        const float v = x[i];            \
        out[i] = (expression);           \
    }                                    \
    return

static void function_f32(edgernn_function kind, const float *parameters, const float *x, int count, float *out) {
    const float p = parameters[0];
    switch (kind) {
        case EDGERNN_TANH: EACH_FUNCTION(hyperbolic_tangent(v));
        case EDGERNN_LOGISTIC: EACH_FUNCTION(logistic(v));
        case EDGERNN_RELU: EACH_FUNCTION(v > 0.0f ? v : 0.0f);
        case EDGERNN_RELU6: EACH_FUNCTION(v > 6.0f ? 6.0f : v > 0.0f ? v : 0.0f);
        case EDGERNN_EXP: EACH_FUNCTION(expf(v));
        case EDGERNN_LOG: EACH_FUNCTION(logf(v));
        case EDGERNN_SQRT: EACH_FUNCTION(sqrtf(v));
        case EDGERNN_RSQRT: EACH_FUNCTION(1.0f / sqrtf(v));
        case EDGERNN_ABS: EACH_FUNCTION(fabsf(v));
        case EDGERNN_NEG: EACH_FUNCTION(-v);
        case EDGERNN_SQUARE: EACH_FUNCTION(v *v);
        case EDGERNN_GELU: EACH_FUNCTION(0.5f * v * (1.0f + erff(v * 0.707106781f)));
        case EDGERNN_GELU_TANH:
            EACH_FUNCTION(0.5f * v * (1.0f + tanhf(0.797884561f * (v + 0.044715f * v * v * v))));
        case EDGERNN_ELU: EACH_FUNCTION(v < 0.0f ? expm1f(v) : v);
        case EDGERNN_LEAKY_RELU: EACH_FUNCTION(v < 0.0f ? v * p : v);
        case EDGERNN_HARD_SWISH: EACH_FUNCTION(v * fminf(fmaxf(v + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f));
        case EDGERNN_FUNCTIONS: break;
    }
}

static void quantize(float inverse_scale, int zero_point, const float *x, int count, int8_t *out) {
    const float low = (float)(-128 - zero_point), high = (float)(127 - zero_point);
    for (int i = 0; i < count; i++) {
        out[i] = round_clamped(x[i] * inverse_scale, low, high, zero_point);
    }
}

static void dequantize(float scale, int zero_point, const int8_t *x, int count, float *out) {
    for (int i = 0; i < count; i++) {
        out[i] = (float)(x[i] - zero_point) * scale;
    }
}

/* The exponent of NaN and infinity is all ones. */
static int all_finite(const float *x, size_t count) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        found |= (uint32_t)((bits & 0x7f800000u) == 0x7f800000u);
    }
    return found == 0;
}

static float sum_of_squares(const float *x, size_t count) {
    float sums[COLUMNS_F32] = {0.0f};
    size_t i = 0;
    for (; i + COLUMNS_F32 <= count; i += COLUMNS_F32) {
        for (int c = 0; c < COLUMNS_F32; c++) {
            sums[c] = MULTIPLY_ADD(x[i + (size_t)c], x[i + (size_t)c], sums[c]);
        }
    }
    for (; i < count; i++) {
        sums[i % COLUMNS_F32] += x[i] * x[i];
    }
    float total = 0.0f;
    for (int c = 0; c < COLUMNS_F32; c++) {
        total += sums[c];
    }
    return total;
}

#define KERNELS_LIST(name, prepare)                                                                                   \
    {name,     COLUMNS_I8, COLUMNS_F32, INPUT_OFFSET,      column_place, linear_i8,  linear_f32,   prepare,           \
     table_i8, sum_i8,     saturating_sum_i8, product_i8, binary_f32,   function_f32, quantize, dequantize, all_finite, \
     sum_of_squares}

const edgernn_kernels KERNELS = KERNELS_LIST(NAME, prepare_table);
