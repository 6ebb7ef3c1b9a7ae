/* The reference kernels, in C for any processor. Tests compare every other instruction set with them. */
#include "kernels.h"

#define KERNELS edgernn_kernels_scalar
#define NAME "scalar"
#define COLUMNS_I8 8
#define COLUMNS_F32 8
#define INPUT_OFFSET 0
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))

static int8_t round_sum(int32_t sum, float multiplier, const edgernn_linear_i8 *linear);

static int column_place(int column) { return column; }

static void prepare_table(const int8_t *table, uint8_t *prepared) {
    for (int q = -128; q < 128; q++) {
        prepared[(uint8_t)q] = (uint8_t)table[q + 128];
    }
}

static void table_i8(const uint8_t *prepared, const int8_t *x, int count, int8_t *out) {
    for (int i = 0; i < count; i++) {
        out[i] = (int8_t)prepared[(uint8_t)x[i]];
    }
}

static void linear_row_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out) {
    const int8_t *weights = linear->weights;
    for (int first = 0; first < linear->outputs; first += COLUMNS_I8) {
        int32_t sums[COLUMNS_I8];
        for (int c = 0; c < COLUMNS_I8; c++) {
            sums[c] = linear->bias[first + c];
        }
        for (int group = 0; group < linear->groups; group++, weights += 4 * COLUMNS_I8) {
            for (int c = 0; c < COLUMNS_I8; c++) {
                for (int i = 0; i < 4; i++) {
                    sums[c] += x[4 * group + i] * weights[4 * c + i];
                }
            }
        }
        for (int c = 0; c < COLUMNS_I8 && first + c < linear->outputs; c++) {
            int8_t result = round_sum(sums[c], linear->multipliers[first + c], linear);
            if (addend) {
                const int total = result + addend[first + c];
                result = (int8_t)(total < -128 ? -128 : total > 127 ? 127 : total);
            }
            out[first + c] = linear->table ? (int8_t)linear->table[(uint8_t)result] : result;
        }
    }
}

#include "kernels_body.h"

static int8_t round_sum(int32_t sum, float multiplier, const edgernn_linear_i8 *linear) {
    const float low = (float)(linear->low - linear->zero_point), high = (float)(linear->high - linear->zero_point);
    return round_clamped((float)sum * multiplier, low, high, linear->zero_point);
}
