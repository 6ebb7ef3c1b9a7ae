/* Kernels for 32-bit and 64-bit Arm with NEON. */
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

#define KERNELS edgernn_kernels_neon
#define NAME "neon"
#define COLUMNS_I8 16
#define COLUMNS_F32 16
#define HAS_BLOCK_SUMS_F32
#define INPUT_OFFSET 0
#if defined(__aarch64__)
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)
#define TOGETHER 8 /* number of registers of sums that are computed side by side */
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#define TOGETHER 4 /* there are 16 registers, and products need the others */
#endif

static int column_place(int column) { return column; }

static inline int8x8_t four_inputs(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpret_s8_s32(vdup_n_s32(four));
}

static inline int32x4_t pairs_added(int32x4_t a, int32x4_t b) {
#if defined(__aarch64__)
    return vpaddq_s32(a, b);
#else
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
#endif
}

/* Register r has two sums for each of the columns 2r and 2r + 1. A sum of two products stays within 2 × 128 × 127, so
int16 holds it, because no weight is -128. */
static inline void sums_of(const edgernn_linear_i8 *linear, const int8_t *weights, const int8_t *x, int32x4_t *sums) {
    int32x4_t two[8];
    for (int from = 0; from < 8; from += TOGETHER) {
        const int8_t *w = weights + 8 * from;
        for (int r = 0; r < TOGETHER; r++) {
            two[from + r] = vdupq_n_s32(0);
        }
        int group = 0;
        for (; group + 1 < linear->groups; group += 2, w += 128) {
            const int8x8_t first = four_inputs(x + 4 * group), second = four_inputs(x + 4 * group + 4);
            for (int r = 0; r < TOGETHER; r++) {
                const int16x8_t products = vmull_s8(first, vld1_s8(w + 8 * r));
                two[from + r] = vpadalq_s16(two[from + r], vmlal_s8(products, second, vld1_s8(w + 64 + 8 * r)));
            }
        }
        if (group < linear->groups) {
            const int8x8_t inputs = four_inputs(x + 4 * group);
            for (int r = 0; r < TOGETHER; r++) {
                two[from + r] = vpadalq_s16(two[from + r], vmull_s8(inputs, vld1_s8(w + 8 * r)));
            }
        }
    }
    for (int i = 0; i < 4; i++) {
        sums[i] = pairs_added(two[2 * i], two[2 * i + 1]);
    }
}

#include "kernels_neon_body.h"
#include "kernels_body.h"
