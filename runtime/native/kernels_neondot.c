/* Kernels for 64-bit Arm with SDOT, which multiplies four inputs by four weights in each lane. */
#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

#define KERNELS edgernn_kernels_neondot
#define NAME "neondot"
#define COLUMNS_I8 16
#define COLUMNS_F32 16
#define HAS_BLOCK_SUMS_F32
#define INPUT_OFFSET 0
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)

static int column_place(int column) { return column; }

static inline int8x16_t four_inputs(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* Each column has two sums, because SDOT has a latency of several cycles. */
static inline void sums_of(const edgernn_linear_i8 *linear, const int8_t *weights, const int8_t *x, int32x4_t *sums) {
    int32x4_t two[2][4];
    for (int i = 0; i < 4; i++) {
        two[0][i] = two[1][i] = vdupq_n_s32(0);
    }
    int group = 0;
    for (; group + 1 < linear->groups; group += 2, weights += 128) {
        for (int half = 0; half < 2; half++) {
            const int8x16_t inputs = four_inputs(x + 4 * (group + half));
            for (int i = 0; i < 4; i++) {
                two[half][i] = vdotq_s32(two[half][i], inputs, vld1q_s8(weights + 64 * half + 16 * i));
            }
        }
    }
    if (group < linear->groups) {
        const int8x16_t inputs = four_inputs(x + 4 * group);
        for (int i = 0; i < 4; i++) {
            two[0][i] = vdotq_s32(two[0][i], inputs, vld1q_s8(weights + 16 * i));
        }
    }
    for (int i = 0; i < 4; i++) {
        sums[i] = vaddq_s32(two[0][i], two[1][i]);
    }
}

#define TILE_ROWS 4

/* Of several rows, there are enough sums without that. */
static inline void tile_sums_of(const edgernn_linear_i8 *linear, const int8_t *weights, const int8_t *x,
                                ptrdiff_t x_stride, int32x4_t (*sums)[4]) {
    int32x4_t of[TILE_ROWS][4];
    for (int r = 0; r < TILE_ROWS; r++) {
        of[r][0] = of[r][1] = of[r][2] = of[r][3] = vdupq_n_s32(0);
    }
    for (int group = 0; group < linear->groups; group++, weights += 64) {
        const int8x16_t w[4] = {vld1q_s8(weights), vld1q_s8(weights + 16), vld1q_s8(weights + 32),
                                vld1q_s8(weights + 48)};
        for (int r = 0; r < TILE_ROWS; r++) {
            const int8x16_t inputs = four_inputs(x + r * x_stride + 4 * group);
            for (int i = 0; i < 4; i++) {
                of[r][i] = vdotq_s32(of[r][i], inputs, w[i]);
            }
        }
    }
    memcpy(sums, of, sizeof of);
}

#include "kernels_neon_body.h"
#include "kernels_body.h"
