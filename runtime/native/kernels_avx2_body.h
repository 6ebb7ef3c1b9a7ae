/* int8 products and tables with vectors of 32 bytes, for AVX2 and AVX-VNNI.

A block has 32 columns in four registers of 8. Packing four registers of int32 into one of int8 interleaves the halves of
the registers. The packed matrix has the inverse order, so that results are in the order of the columns: register r has
the columns 4r to 4r + 3 and 16 + 4r to 16 + 4r + 3.

The including file defines two macros before. DOT(sums, x, weights) adds the products of 4 inputs to each of 8 int32.
TILE_ROWS is the number of rows that are computed together, with one load of the weights. */
#include <immintrin.h>
#include <string.h>

#include "kernels_x86_table.h"

#define COLUMNS_I8 32
#define COLUMNS_F32 32
#define HAS_BLOCK_SUMS_F32
#define TILE_ROWS_F32 3
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)

static int column_place(int column) {
    const int quarter = (column % 16) / 4, half = column / 16;
    return quarter * 8 + half * 4 + column % 4;
}

static inline __m256i table_part(const uint8_t *prepared, int part) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(prepared + 16 * part)));
}

static inline __m256i looked_up(const uint8_t *prepared, __m256i x) {
    const __m256i wrapped = _mm256_xor_si256(x, _mm256_set1_epi8((char)-128));
    __m256i low = _mm256_setzero_si256(), high = low;
/* Unrolled by hand: each index is computed from x, so no subtraction waits for the one before. */
#define LOOK_UP(i)                                                                                              \
    low = _mm256_xor_si256(                                                                                     \
        low, _mm256_shuffle_epi8(table_part(prepared, i), _mm256_sub_epi8(x, _mm256_set1_epi8(16 * (i)))));     \
    high = _mm256_xor_si256(high, _mm256_shuffle_epi8(table_part(prepared, 8 + (i)),                            \
                                                      _mm256_subs_epi8(wrapped, _mm256_set1_epi8(16 * (i)))))
    LOOK_UP(0);
    LOOK_UP(1);
    LOOK_UP(2);
    LOOK_UP(3);
    LOOK_UP(4);
    LOOK_UP(5);
    LOOK_UP(6);
    LOOK_UP(7);
#undef LOOK_UP
    return _mm256_xor_si256(low, high);
}

static void table_i8(const uint8_t *prepared, const int8_t *x, int count, int8_t *out) {
    int i = 0;
    for (; i + 32 <= count; i += 32) {
        const __m256i values = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        _mm256_storeu_si256((__m256i *)(void *)(out + i), looked_up(prepared, values));
    }
    if (i < count) {
        int8_t rest[32] = {0};
        memcpy(rest, x + i, (size_t)(count - i));
        const __m256i values = _mm256_loadu_si256((const __m256i *)(const void *)rest);
        _mm256_storeu_si256((__m256i *)(void *)rest, looked_up(prepared, values));
        memcpy(out + i, rest, (size_t)(count - i));
    }
}

/* Even and odd inputs have separate sums: a fused multiply-add has a latency of four cycles, and two can begin in each
cycle. */
static void block_sums_f32(const float *x, int inputs, const float *weights, const float *bias, float *sums) {
    __m256 even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        even[k] = _mm256_loadu_ps(bias + 8 * k);
        odd[k] = _mm256_setzero_ps();
    }
    int i = 0;
    for (; i + 2 <= inputs; i += 2, weights += 2 * COLUMNS_F32) {
        const __m256 first = _mm256_set1_ps(x[i]), second = _mm256_set1_ps(x[i + 1]);
        for (int k = 0; k < 4; k++) {
            even[k] = _mm256_fmadd_ps(first, _mm256_loadu_ps(weights + 8 * k), even[k]);
            odd[k] = _mm256_fmadd_ps(second, _mm256_loadu_ps(weights + COLUMNS_F32 + 8 * k), odd[k]);
        }
    }
    for (int k = 0; k < 4; k++) {
        if (i < inputs) {
            even[k] = _mm256_fmadd_ps(_mm256_set1_ps(x[i]), _mm256_loadu_ps(weights + 8 * k), even[k]);
        }
        _mm256_storeu_ps(sums + 8 * k, _mm256_add_ps(even[k], odd[k]));
    }
}

/* The same for TILE_ROWS_F32 rows. Half a block at once fits the 16 registers. */
NOT_INLINE tile_sums_f32(
    const float *x, ptrdiff_t x_stride, int inputs, const float *weights, const float *bias, float *sums) {
    for (int half = 0; half < COLUMNS_F32; half += COLUMNS_F32 / 2) {
        __m256 even[TILE_ROWS_F32][2], odd[TILE_ROWS_F32][2];
        for (int r = 0; r < TILE_ROWS_F32; r++) {
            for (int k = 0; k < 2; k++) {
                even[r][k] = _mm256_loadu_ps(bias + half + 8 * k);
                odd[r][k] = _mm256_setzero_ps();
            }
        }
        const float *w = weights + half;
        int i = 0;
        for (; i + 2 <= inputs; i += 2, w += 2 * COLUMNS_F32) {
            for (int k = 0; k < 2; k++) {
                const __m256 first = _mm256_loadu_ps(w + 8 * k), second = _mm256_loadu_ps(w + COLUMNS_F32 + 8 * k);
                for (int r = 0; r < TILE_ROWS_F32; r++) {
                    even[r][k] = _mm256_fmadd_ps(_mm256_set1_ps(x[r * x_stride + i]), first, even[r][k]);
                    odd[r][k] = _mm256_fmadd_ps(_mm256_set1_ps(x[r * x_stride + i + 1]), second, odd[r][k]);
                }
            }
        }
        for (int r = 0; r < TILE_ROWS_F32; r++) {
            for (int k = 0; k < 2; k++) {
                if (i < inputs) {
                    const __m256 last = _mm256_loadu_ps(w + 8 * k);
                    even[r][k] = _mm256_fmadd_ps(_mm256_set1_ps(x[r * x_stride + i]), last, even[r][k]);
                }
                _mm256_storeu_ps(sums + COLUMNS_F32 * r + half + 8 * k, _mm256_add_ps(even[r][k], odd[r][k]));
            }
        }
    }
}

static inline __m256i rounded(__m256i sums, const float *multipliers, __m256 high) {
    /* The conversion to int32 turns every product that is out of range into -2^31. For negative products this is right,
    because the packing clamps it; positive ones are clamped before. */
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(multipliers));
    return _mm256_cvtps_epi32(_mm256_min_ps(scaled, high));
}

/* Rounds the sums of a block, adds the addend, looks up the table, and writes the results of a row. */
static inline __attribute__((always_inline)) void finish(
    const edgernn_linear_i8 *linear, const __m256i *sums, int first, const int8_t *addend, int8_t *out) {
    const __m256i zero_point = _mm256_set1_epi16((short)linear->zero_point);
    const __m256i low = _mm256_set1_epi8((char)linear->low), high = _mm256_set1_epi8((char)linear->high);
    const __m256 limit = _mm256_set1_ps((float)(127 - linear->zero_point));
    __m256i parts[4];
    for (int k = 0; k < 4; k++) {
        parts[k] = rounded(sums[k], linear->multipliers + first + 8 * k, limit);
    }
    const __m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(parts[0], parts[1]), zero_point);
    const __m256i cd = _mm256_adds_epi16(_mm256_packs_epi32(parts[2], parts[3]), zero_point);
    __m256i result = _mm256_packs_epi16(ab, cd);
    result = _mm256_min_epi8(_mm256_max_epi8(result, low), high);
    if (addend) {
        result = _mm256_adds_epi8(result, _mm256_loadu_si256((const __m256i *)(const void *)(addend + first)));
    }
    if (linear->table) {
        result = looked_up(linear->table, result);
    }
    const int left = linear->outputs - first;
    if (left >= COLUMNS_I8) {
        _mm256_storeu_si256((__m256i *)(void *)(out + first), result);
    } else {
        int8_t rest[COLUMNS_I8];
        _mm256_storeu_si256((__m256i *)(void *)rest, result);
        memcpy(out + first, rest, (size_t)left);
    }
}

NOT_INLINE linear_row_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out) {
    const int8_t *weights = linear->weights;
    for (int first = 0; first < linear->outputs; first += COLUMNS_I8) {
        __m256i sums[4];
        for (int k = 0; k < 4; k++) {
            sums[k] = _mm256_loadu_si256((const __m256i *)(const void *)(linear->bias + first) + k);
        }
        for (int group = 0; group < linear->groups; group++, weights += 4 * COLUMNS_I8) {
            int32_t four;
            memcpy(&four, x + 4 * group, sizeof four);
            const __m256i inputs = INPUTS(_mm256_set1_epi32(four));
            for (int k = 0; k < 4; k++) {
                sums[k] = DOT(sums[k], inputs, _mm256_loadu_si256((const __m256i *)(const void *)weights + k));
            }
        }
        finish(linear, sums, first, addend, out);
    }
}

/* Computes TILE_ROWS rows. */
NOT_INLINE linear_tile_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out,
                          const edgernn_rows *rows) {
    const int8_t *weights = linear->weights;
    for (int first = 0; first < linear->outputs; first += COLUMNS_I8) {
        __m256i sums[TILE_ROWS][4];
        for (int r = 0; r < TILE_ROWS; r++) {
            for (int k = 0; k < 4; k++) {
                sums[r][k] = _mm256_loadu_si256((const __m256i *)(const void *)(linear->bias + first) + k);
            }
        }
        for (int group = 0; group < linear->groups; group++, weights += 4 * COLUMNS_I8) {
            __m256i inputs[TILE_ROWS];
            for (int r = 0; r < TILE_ROWS; r++) {
                int32_t four;
                memcpy(&four, x + r * rows->x + 4 * group, sizeof four);
                inputs[r] = INPUTS(_mm256_set1_epi32(four));
            }
            for (int k = 0; k < 4; k++) {
                const __m256i w = _mm256_loadu_si256((const __m256i *)(const void *)weights + k);
                for (int r = 0; r < TILE_ROWS; r++) {
                    sums[r][k] = DOT(sums[r][k], inputs[r], w);
                }
            }
        }
        _Pragma("clang loop unroll(full)") /* sums stay in registers */
        for (int r = 0; r < TILE_ROWS; r++) {
            finish(linear, sums[r], first, addend ? addend + r * rows->b : NULL, out + r * rows->out);
        }
    }
}
