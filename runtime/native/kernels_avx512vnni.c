/* Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI, which multiplies unsigned inputs, x + 128. A second list of
kernels is for processors with VBMI as well: its permutations of 128 bytes look up tables.

A block has 16 columns, one register of int32; up to four blocks are computed side by side. For a single row, each block
has two sums, because VPDPBUSD has a latency of five cycles. Of several rows, TILE_ROWS are computed together, with one
load of the weights. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "kernels_x86_table.h"

#define KERNELS edgernn_kernels_avx512vnni
#define NAME "avx512vnni"
#define COLUMNS_I8 16
#define COLUMNS_F32 64
#define HAS_BLOCK_SUMS_F32
#define TILE_ROWS_F32 3
#define INPUT_OFFSET 128
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)

static int column_place(int column) { return column; }

/* A prepared table has 256 bytes. The byte at IN_ORDER is 1 if they are in the order of the index, for VBMI, and 0 if
they are arranged for shuffles. */
#define IN_ORDER 256

static void prepare_table_in_order(const int8_t *table, uint8_t *prepared) {
    for (int q = -128; q < 128; q++) {
        prepared[(uint8_t)q] = (uint8_t)table[q + 128];
    }
    prepared[IN_ORDER] = 1;
}

static inline __m512i table_part(const uint8_t *prepared, int part) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(prepared + 16 * part)));
}

/* Looks up bytes by the lower 7 bits of each index. Inline assembly, because this file is compiled without VBMI: with it,
the compiler would use VBMI in the other kernels, too. */
static inline __m512i permuted(const uint8_t *parts, __m512i index) {
    __asm__("vpermi2b %2, %1, %0"
            : "+v"(index)
            : "v"(_mm512_loadu_si512(parts)), "v"(_mm512_loadu_si512(parts + 64)));
    return index;
}

static inline __m512i looked_up(const uint8_t *prepared, __m512i x) {
    if (prepared[IN_ORDER]) {
        return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), permuted(prepared, x), permuted(prepared + 128, x));
    }
    const __m512i wrapped = _mm512_xor_si512(x, _mm512_set1_epi8((char)-128));
    __m512i low = _mm512_setzero_si512(), high = low;
    for (int i = 0; i < 8; i++) { /* as in kernels_avx2_body.h */
        const __m512i from = _mm512_set1_epi8((char)(16 * i));
        low = _mm512_xor_si512(low, _mm512_shuffle_epi8(table_part(prepared, i), _mm512_sub_epi8(x, from)));
        high = _mm512_xor_si512(high, _mm512_shuffle_epi8(table_part(prepared, 8 + i), _mm512_subs_epi8(wrapped, from)));
    }
    return _mm512_xor_si512(low, high);
}

static inline __mmask64 first_bytes(int count) { return count >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1; }

static void table_i8(const uint8_t *prepared, const int8_t *x, int count, int8_t *out) {
    for (int i = 0; i < count; i += 64) {
        const __mmask64 mask = first_bytes(count - i);
        _mm512_mask_storeu_epi8(out + i, mask, looked_up(prepared, _mm512_maskz_loadu_epi8(mask, x + i)));
    }
}

/* As in kernels_avx2_body.h. */
static inline __attribute__((always_inline)) void add_products_f32(
    const float *x, ptrdiff_t x_stride, int height, int inputs, const float *weights, const float *bias, float *sums) {
    __m512 even[TILE_ROWS_F32][4], odd[TILE_ROWS_F32][4];
    for (int r = 0; r < height; r++) {
        for (int k = 0; k < 4; k++) {
            even[r][k] = _mm512_loadu_ps(bias + 16 * k);
            odd[r][k] = _mm512_setzero_ps();
        }
    }
    int i = 0;
    for (; i + 2 <= inputs; i += 2, weights += 2 * COLUMNS_F32) {
        for (int k = 0; k < 4; k++) {
            const __m512 first = _mm512_loadu_ps(weights + 16 * k);
            const __m512 second = _mm512_loadu_ps(weights + COLUMNS_F32 + 16 * k);
            for (int r = 0; r < height; r++) {
                even[r][k] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * x_stride + i]), first, even[r][k]);
                odd[r][k] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * x_stride + i + 1]), second, odd[r][k]);
            }
        }
    }
    for (int r = 0; r < height; r++) {
        for (int k = 0; k < 4; k++) {
            if (i < inputs) {
                const __m512 last = _mm512_loadu_ps(weights + 16 * k);
                even[r][k] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * x_stride + i]), last, even[r][k]);
            }
            _mm512_storeu_ps(sums + COLUMNS_F32 * r + 16 * k, _mm512_add_ps(even[r][k], odd[r][k]));
        }
    }
}

static void block_sums_f32(const float *x, int inputs, const float *weights, const float *bias, float *sums) {
    add_products_f32(x, 0, 1, inputs, weights, bias, sums);
}

NOT_INLINE tile_sums_f32(
    const float *x, ptrdiff_t x_stride, int inputs, const float *weights, const float *bias, float *sums) {
    add_products_f32(x, x_stride, TILE_ROWS_F32, inputs, weights, bias, sums);
}

/* Rounds the sums of at most 4 blocks, adds the addend, looks up the table, and writes the results of a row. */
static inline __attribute__((always_inline)) void finish(
    const edgernn_linear_i8 *linear, const __m512i *sums, int first, int blocks, const int8_t *addend, int8_t *out) {
    /* Positive products are clamped before the conversion, as in kernels_avx2_body.h. */
    const __m512 limit = _mm512_set1_ps((float)(127 - linear->zero_point));
    const __m512i zero_point = _mm512_set1_epi16((short)linear->zero_point);
    __m512i rounded[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                          _mm512_setzero_si512()};
    for (int b = 0; b < blocks; b++) {
        const __m512 multipliers = _mm512_loadu_ps(linear->multipliers + first + 16 * b);
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[b]), multipliers);
        rounded[b] = _mm512_cvtps_epi32(_mm512_min_ps(scaled, limit));
    }
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(rounded[0], rounded[1]), zero_point);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(rounded[2], rounded[3]), zero_point);
    /* Packing leaves 16 bytes between one group of 4 columns of a block and the next. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i result = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
    result = _mm512_max_epi8(result, _mm512_set1_epi8((char)linear->low));
    result = _mm512_min_epi8(result, _mm512_set1_epi8((char)linear->high));
    const int left = linear->outputs - first;
    const __mmask64 mask = first_bytes(left < 16 * blocks ? left : 16 * blocks);
    if (addend) {
        result = _mm512_adds_epi8(result, _mm512_maskz_loadu_epi8(mask, addend + first));
    }
    if (linear->table) {
        result = looked_up(linear->table, result);
    }
    _mm512_mask_storeu_epi8(out + first, mask, result);
}

static inline __m512i four_inputs(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_xor_si512(_mm512_set1_epi32(four), _mm512_set1_epi8((char)-128));
}

/* Computes `blocks` blocks of a row, at most 4. */
static inline __attribute__((always_inline)) void tile_of_row(
    const edgernn_linear_i8 *linear, const int8_t *x, int first, int blocks, const int8_t *addend, int8_t *out) {
    const int groups = linear->groups;
    const int8_t *weights = linear->weights + (ptrdiff_t)first * 4 * groups;
    __m512i sums[2][4];
    for (int b = 0; b < blocks; b++) {
        sums[0][b] = _mm512_loadu_si512(linear->bias + first + 16 * b);
        sums[1][b] = _mm512_setzero_si512();
    }
    int group = 0;
    for (; group + 1 < groups; group += 2) {
        for (int half = 0; half < 2; half++) {
            const __m512i inputs = four_inputs(x + 4 * (group + half));
            for (int b = 0; b < blocks; b++) {
                const int8_t *w = weights + ((ptrdiff_t)b * groups + group + half) * 64;
                sums[half][b] = _mm512_dpbusd_epi32(sums[half][b], inputs, _mm512_loadu_si512(w));
            }
        }
    }
    if (group < groups) {
        const __m512i inputs = four_inputs(x + 4 * group);
        for (int b = 0; b < blocks; b++) {
            const int8_t *w = weights + ((ptrdiff_t)b * groups + group) * 64;
            sums[0][b] = _mm512_dpbusd_epi32(sums[0][b], inputs, _mm512_loadu_si512(w));
        }
    }
    for (int b = 0; b < blocks; b++) {
        sums[0][b] = _mm512_add_epi32(sums[0][b], sums[1][b]);
    }
    finish(linear, sums[0], first, blocks, addend, out);
}

#define TILE_ROWS 4
#define TILE_INPUTS 256 /* inputs of a row whose offset is added at once */

/* Computes `blocks` blocks of TILE_ROWS rows. */
static inline __attribute__((always_inline)) void tile_of_rows(
    const edgernn_linear_i8 *linear, const int8_t *x, int first, int blocks, const int8_t *addend, int8_t *out,
    const edgernn_rows *rows) {
    const int groups = linear->groups;
    const int8_t *weights = linear->weights + (ptrdiff_t)first * 4 * groups;
    __m512i sums[TILE_ROWS][4];
    for (int r = 0; r < TILE_ROWS; r++) {
        for (int b = 0; b < blocks; b++) {
            sums[r][b] = _mm512_loadu_si512(linear->bias + first + 16 * b);
        }
    }
    for (int start = 0; start < groups; start += TILE_INPUTS / 4) {
        const int end = groups < start + TILE_INPUTS / 4 ? groups : start + TILE_INPUTS / 4;
        uint8_t inputs[TILE_ROWS][TILE_INPUTS];
        for (int r = 0; r < TILE_ROWS; r++) {
            for (int k = 4 * start; k < 4 * end; k += 64) {
                const __m512i part = _mm512_loadu_si512(x + r * rows->x + k);
                _mm512_storeu_si512(inputs[r] + k - 4 * start, _mm512_xor_si512(part, _mm512_set1_epi8((char)-128)));
            }
        }
        for (int group = start; group < end; group++) {
            __m512i w[4];
            for (int b = 0; b < blocks; b++) {
                w[b] = _mm512_loadu_si512(weights + ((ptrdiff_t)b * groups + group) * 64);
            }
            for (int r = 0; r < TILE_ROWS; r++) {
                int32_t four;
                memcpy(&four, inputs[r] + 4 * (group - start), sizeof four);
                for (int b = 0; b < blocks; b++) {
                    sums[r][b] = _mm512_dpbusd_epi32(sums[r][b], _mm512_set1_epi32(four), w[b]);
                }
            }
        }
    }
    for (int r = 0; r < TILE_ROWS; r++) {
        finish(linear, sums[r], first, blocks, addend ? addend + r * rows->b : NULL, out + r * rows->out);
    }
}

NOT_INLINE linear_row_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out) {
    int block = 0;
    for (; block + 4 <= linear->blocks; block += 4) {
        tile_of_row(linear, x, 16 * block, 4, addend, out);
    }
    if (block + 2 <= linear->blocks) {
        tile_of_row(linear, x, 16 * block, 2, addend, out);
        block += 2;
    }
    if (block < linear->blocks) {
        tile_of_row(linear, x, 16 * block, 1, addend, out);
    }
}

NOT_INLINE linear_tile_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out,
                           const edgernn_rows *rows) {
    int block = 0;
    for (; block + 4 <= linear->blocks; block += 4) {
        tile_of_rows(linear, x, 16 * block, 4, addend, out, rows);
    }
    for (; block < linear->blocks; block++) {
        tile_of_rows(linear, x, 16 * block, 1, addend, out, rows);
    }
}

static inline __m512i extended(const int8_t *x, __mmask32 mask) {
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, x));
}

/* Adds the zero point, clamps and stores; `low` and `high` are ordered as by `_mm512_unpacklo_epi16` and `…hi…`. */
static inline void store_limited(int8_t *out, __mmask32 mask, __m512i low, __m512i high, __m512i zero_point,
                                 __m256i least, __m256i most) {
    const __m512i packed = _mm512_adds_epi16(_mm512_packs_epi32(low, high), zero_point);
    const __m256i result = _mm512_cvtsepi16_epi8(packed);
    _mm256_mask_storeu_epi8(out, mask, _mm256_min_epi8(_mm256_max_epi8(result, least), most));
}

static inline __mmask32 first_of_32(int count) { return count >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << count) - 1; }

/* Each multiplier is high × 2^15 + low, so that one instruction multiplies and adds two elements of 16 bits. */
static void sum_i8(const edgernn_sum_i8 *sum, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                   const edgernn_rows *rows) {
    const int for_a = sum->a_multiplier, for_b = sum->b_multiplier;
    const __m512i lows = _mm512_set1_epi32((for_a & 32767) | (for_b & 32767) << 16);
    const __m512i highs =
        _mm512_set1_epi32((int)((uint32_t)(for_a >> 15) & 65535u) | (int)((uint32_t)(for_b >> 15) << 16));
    const __m512i bias = _mm512_set1_epi32(sum->bias), zero_point = _mm512_set1_epi16((short)sum->zero_point);
    const __m128i shift = _mm_cvtsi32_si128(sum->shift);
    const __m256i least = _mm256_set1_epi8((char)sum->low), most = _mm256_set1_epi8((char)sum->high);
    for (int row = 0; row < rows->count; row++, a += rows->x, b += rows->b, out += rows->out) {
        for (int i = 0; i < columns; i += 32) {
            const __mmask32 mask = first_of_32(columns - i);
            const __m512i x = extended(a + i, mask), y = extended(b + i, mask);
            __m512i pairs[2] = {_mm512_unpacklo_epi16(x, y), _mm512_unpackhi_epi16(x, y)};
            for (int k = 0; k < 2; k++) {
                const __m512i high = _mm512_slli_epi32(_mm512_madd_epi16(pairs[k], highs), 15);
                const __m512i low = _mm512_add_epi32(_mm512_madd_epi16(pairs[k], lows), bias);
                pairs[k] = _mm512_sra_epi32(_mm512_add_epi32(high, low), shift);
            }
            store_limited(out + i, mask, pairs[0], pairs[1], zero_point, least, most);
        }
    }
}

static void product_i8(const edgernn_product_i8 *product, const int8_t *a, const int8_t *b, int columns, int8_t *out,
                       const edgernn_rows *rows) {
    const __m512i a_zero_point = _mm512_set1_epi16((short)product->a_zero_point);
    const __m512i b_zero_point = _mm512_set1_epi16((short)product->b_zero_point);
    const __m512i zero_point = _mm512_set1_epi16((short)product->zero_point);
    const __m512 multiplier = _mm512_set1_ps(product->multiplier);
    const __m512 limit = _mm512_set1_ps((float)(127 - product->zero_point)); /* as in `finish` */
    const __m256i least = _mm256_set1_epi8((char)product->low), most = _mm256_set1_epi8((char)product->high);
    for (int row = 0; row < rows->count; row++, a += rows->x, b += rows->b, out += rows->out) {
        for (int i = 0; i < columns; i += 32) {
            const __mmask32 mask = first_of_32(columns - i);
            const __m512i x = _mm512_sub_epi16(extended(a + i, mask), a_zero_point);
            const __m512i y = _mm512_sub_epi16(extended(b + i, mask), b_zero_point);
            const __m512i low = _mm512_mullo_epi16(x, y), high = _mm512_mulhi_epi16(x, y);
            __m512i exact[2] = {_mm512_unpacklo_epi16(low, high), _mm512_unpackhi_epi16(low, high)};
            for (int k = 0; k < 2; k++) {
                const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(exact[k]), multiplier);
                exact[k] = _mm512_cvtps_epi32(_mm512_min_ps(scaled, limit));
            }
            store_limited(out + i, mask, exact[0], exact[1], zero_point, least, most);
        }
    }
}

#define HAS_SUM_AND_PRODUCT_I8
#include "kernels_body.h"

const edgernn_kernels edgernn_kernels_avx512vbmi = KERNELS_LIST("avx512vbmi", prepare_table_in_order);
