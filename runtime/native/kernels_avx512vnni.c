/* Kernels for x86-64 with AVX-512 (F, BW, DQ, VL) and VNNI: products of unsigned inputs, x + 128.

A block has 16 columns, one register of int32; up to four blocks are computed side by side, each with two sums, because
a product takes five cycles before the next can be added to it. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "kernels_x86_table.h"

#define KERNELS edgernn_kernels_avx512vnni
#define NAME "avx512vnni"
#define COLUMNS_I8 16
#define COLUMNS_F32 64
#define HAS_BLOCK_SUMS_F32
#define INPUT_OFFSET 128
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)

static int column_place(int column) { return column; }

static inline __m512i table_part(const uint8_t *prepared, int part) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(prepared + 16 * part)));
}

static inline __m512i looked_up(const uint8_t *prepared, __m512i x) {
    const __m512i wrapped = _mm512_xor_si512(x, _mm512_set1_epi8((char)-128));
    __m512i low = _mm512_setzero_si512(), high = low;
/* As in kernels_avx2_body.h. */
#define LOOK_UP(i)                                                                                              \
    low = _mm512_xor_si512(                                                                                     \
        low, _mm512_shuffle_epi8(table_part(prepared, i), _mm512_sub_epi8(x, _mm512_set1_epi8(16 * (i)))));     \
    high = _mm512_xor_si512(high, _mm512_shuffle_epi8(table_part(prepared, 8 + (i)),                            \
                                                      _mm512_subs_epi8(wrapped, _mm512_set1_epi8(16 * (i)))))
    LOOK_UP(0);
    LOOK_UP(1);
    LOOK_UP(2);
    LOOK_UP(3);
    LOOK_UP(4);
    LOOK_UP(5);
    LOOK_UP(6);
    LOOK_UP(7);
#undef LOOK_UP
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
static void block_sums_f32(const float *x, int inputs, const float *weights, const float *bias, float *sums) {
    __m512 even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        even[k] = _mm512_loadu_ps(bias + 16 * k);
        odd[k] = _mm512_setzero_ps();
    }
    int i = 0;
    for (; i + 2 <= inputs; i += 2, weights += 2 * COLUMNS_F32) {
        const __m512 first = _mm512_set1_ps(x[i]), second = _mm512_set1_ps(x[i + 1]);
        for (int k = 0; k < 4; k++) {
            even[k] = _mm512_fmadd_ps(first, _mm512_loadu_ps(weights + 16 * k), even[k]);
            odd[k] = _mm512_fmadd_ps(second, _mm512_loadu_ps(weights + COLUMNS_F32 + 16 * k), odd[k]);
        }
    }
    for (int k = 0; k < 4; k++) {
        if (i < inputs) {
            even[k] = _mm512_fmadd_ps(_mm512_set1_ps(x[i]), _mm512_loadu_ps(weights + 16 * k), even[k]);
        }
        _mm512_storeu_ps(sums + 16 * k, _mm512_add_ps(even[k], odd[k]));
    }
}

/* Computes `blocks` blocks, at most 4, and writes `left` results at most. */
static inline __attribute__((always_inline)) void tile(
    const edgernn_linear_i8 *linear, const int8_t *x, int first, int blocks, const int8_t *addend, int8_t *out) {
    const int groups = linear->groups;
    const int8_t *weights = linear->weights + (ptrdiff_t)first * 4 * groups;
    const __m512i offset = _mm512_set1_epi8((char)-128);
    __m512i sums[2][4];
    for (int b = 0; b < blocks; b++) {
        sums[0][b] = _mm512_loadu_si512(linear->bias + first + 16 * b);
        sums[1][b] = _mm512_setzero_si512();
    }
    int group = 0;
    for (; group + 1 < groups; group += 2) {
        for (int half = 0; half < 2; half++) {
            int32_t four;
            memcpy(&four, x + 4 * (group + half), sizeof four);
            const __m512i inputs = _mm512_xor_si512(_mm512_set1_epi32(four), offset);
            for (int b = 0; b < blocks; b++) {
                const int8_t *w = weights + ((ptrdiff_t)b * groups + group + half) * 64;
                sums[half][b] = _mm512_dpbusd_epi32(sums[half][b], inputs, _mm512_loadu_si512(w));
            }
        }
    }
    if (group < groups) {
        int32_t four;
        memcpy(&four, x + 4 * group, sizeof four);
        const __m512i inputs = _mm512_xor_si512(_mm512_set1_epi32(four), offset);
        for (int b = 0; b < blocks; b++) {
            const int8_t *w = weights + ((ptrdiff_t)b * groups + group) * 64;
            sums[0][b] = _mm512_dpbusd_epi32(sums[0][b], inputs, _mm512_loadu_si512(w));
        }
    }
    const __m512 limit = _mm512_set1_ps((float)(127 - linear->zero_point));
    const __m512i zero_point = _mm512_set1_epi32(linear->zero_point);
    __m128i parts[4] = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    for (int b = 0; b < blocks; b++) {
        const __m512 multipliers = _mm512_loadu_ps(linear->multipliers + first + 16 * b);
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sums[0][b], sums[1][b])), multipliers);
        /* -2^31 plus a negative zero point would wrap around: limited below, too. */
        const __m512 limited = _mm512_max_ps(_mm512_min_ps(scaled, limit), _mm512_set1_ps(-65536.0f));
        parts[b] = _mm512_cvtsepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(limited), zero_point));
    }
    __m512i result = _mm512_castsi128_si512(parts[0]);
    if (blocks > 1) {
        result = _mm512_inserti32x4(result, parts[1], 1);
    }
    if (blocks > 2) {
        result = _mm512_inserti32x4(_mm512_inserti32x4(result, parts[2], 2), parts[3], 3);
    }
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

static void linear_row_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out) {
    int block = 0;
    for (; block + 4 <= linear->blocks; block += 4) {
        tile(linear, x, 16 * block, 4, addend, out);
    }
    const int left = linear->blocks - block;
    if (left == 3) {
        tile(linear, x, 16 * block, 2, addend, out);
        tile(linear, x, 16 * (block + 2), 1, addend, out);
    } else if (left == 2) {
        tile(linear, x, 16 * block, 2, addend, out);
    } else if (left == 1) {
        tile(linear, x, 16 * block, 1, addend, out);
    }
}

#include "kernels_body.h"
