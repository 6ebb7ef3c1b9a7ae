/* Products and tables with Arm's vectors of 16 bytes, for NEON with and without SDOT.

A block has 16 columns in four registers, in their order. The including file defines before

    sums_of(linear, weights, x, sums)    sets four int32x4_t to the products of a block's columns, without the bias

and may define TILE_ROWS, rows that are computed together, and

    tile_sums_of(linear, weights, x, x_stride, sums)    the same for each of these rows */

/* Rounds to the nearest integer, ties to even, and clamps to int32. */
static inline int32x4_t rounded(float32x4_t x) {
#if defined(__aarch64__)
    return vcvtnq_s32_f32(x);
#else
    /* As round_small in kernels_body.h. The clamp before leaves all values that int8 can have. */
    const float32x4_t magic = vdupq_n_f32(12582912.0f), limit = vdupq_n_f32(65536.0f);
    x = vmaxq_f32(vminq_f32(x, limit), vnegq_f32(limit));
    return vcvtq_s32_f32(vsubq_f32(vaddq_f32(x, magic), magic));
#endif
}

#if defined(__aarch64__)
/* TBX looks up 64 bytes; where the index is out of range, it leaves the result unchanged. The table is in the order of
the index. */
static inline int8x16_t looked_up(const uint8_t *table, int8x16_t x) {
    const uint8x16_t index = vreinterpretq_u8_s8(x), part = vdupq_n_u8(64);
    uint8x16_t rest = vsubq_u8(index, part);
    uint8x16_t result = vqtbl4q_u8(vld1q_u8_x4(table), index);
    for (int i = 1; i < 4; i++, rest = vsubq_u8(rest, part)) {
        result = vqtbx4q_u8(result, vld1q_u8_x4(table + 64 * i), rest);
    }
    return vreinterpretq_s8_u8(result);
}
#else
/* 32-bit Arm looks up at most 32 bytes at once, which is not faster than single loads. */
static inline int8x16_t looked_up(const uint8_t *table, int8x16_t x) {
    int8_t bytes[16];
    vst1q_s8(bytes, x);
    for (int i = 0; i < 16; i++) {
        bytes[i] = (int8_t)table[(uint8_t)bytes[i]];
    }
    return vld1q_s8(bytes);
}
#endif

static void prepare_table(const int8_t *table, uint8_t *prepared) {
    for (int q = -128; q < 128; q++) {
        prepared[(uint8_t)q] = (uint8_t)table[q + 128];
    }
}

static void table_i8(const uint8_t *prepared, const int8_t *x, int count, int8_t *out) {
    int i = 0;
    for (; i + 16 <= count; i += 16) {
        vst1q_s8(out + i, looked_up(prepared, vld1q_s8(x + i)));
    }
    for (; i < count; i++) {
        out[i] = (int8_t)prepared[(uint8_t)x[i]];
    }
}

static inline float32x4_t multiply_add(float32x4_t sum, float32x4_t a, float32x4_t b) {
#if defined(__aarch64__)
    return vfmaq_f32(sum, a, b);
#else
    return vaddq_f32(sum, vmulq_f32(a, b)); /* the compiler uses no NEON for plain C in float32 */
#endif
}

/* Even and odd inputs have separate sums: a multiply-add has a latency of four cycles. */
static void block_sums_f32(const float *x, int inputs, const float *weights, const float *bias, float *sums) {
    float32x4_t even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        even[k] = vld1q_f32(bias + 4 * k);
        odd[k] = vdupq_n_f32(0.0f);
    }
    int i = 0;
    for (; i + 2 <= inputs; i += 2, weights += 2 * COLUMNS_F32) {
        const float32x4_t first = vdupq_n_f32(x[i]), second = vdupq_n_f32(x[i + 1]);
        for (int k = 0; k < 4; k++) {
            even[k] = multiply_add(even[k], first, vld1q_f32(weights + 4 * k));
            odd[k] = multiply_add(odd[k], second, vld1q_f32(weights + COLUMNS_F32 + 4 * k));
        }
    }
    for (int k = 0; k < 4; k++) {
        if (i < inputs) {
            even[k] = multiply_add(even[k], vdupq_n_f32(x[i]), vld1q_f32(weights + 4 * k));
        }
        vst1q_f32(sums + 4 * k, vaddq_f32(even[k], odd[k]));
    }
}

static inline int32x4_t scaled(int32x4_t sums, const edgernn_linear_i8 *linear, int column) {
    const int32x4_t total = vaddq_s32(sums, vld1q_s32(linear->bias + column));
    return rounded(vmulq_f32(vcvtq_f32_s32(total), vld1q_f32(linear->multipliers + column)));
}

/* Rounds the sums of a block, adds the addend, looks up the table, and writes the results of a row. */
static inline void finish(
    const edgernn_linear_i8 *linear, const int32x4_t *sums, int first, const int8_t *addend, int8_t *out) {
    const int16x8_t zero_point = vdupq_n_s16((int16_t)linear->zero_point);
    int16x8_t half[2];
    for (int i = 0; i < 2; i++) {
        const int32x4_t a = scaled(sums[2 * i], linear, first + 8 * i);
        const int32x4_t b = scaled(sums[2 * i + 1], linear, first + 8 * i + 4);
        half[i] = vqaddq_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)), zero_point);
    }
    int8x16_t result = vcombine_s8(vqmovn_s16(half[0]), vqmovn_s16(half[1]));
    result = vminq_s8(vmaxq_s8(result, vdupq_n_s8((int8_t)linear->low)), vdupq_n_s8((int8_t)linear->high));
    if (addend) {
        result = vqaddq_s8(result, vld1q_s8(addend + first));
    }
    if (linear->table) {
        result = looked_up(linear->table, result);
    }
    const int left = linear->outputs - first;
    if (left >= COLUMNS_I8) {
        vst1q_s8(out + first, result);
    } else {
        int8_t rest[COLUMNS_I8];
        vst1q_s8(rest, result);
        memcpy(out + first, rest, (size_t)left);
    }
}

static void linear_row_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out) {
    for (int first = 0; first < linear->outputs; first += COLUMNS_I8) {
        int32x4_t sums[4];
        sums_of(linear, linear->weights + (ptrdiff_t)first * 4 * linear->groups, x, sums);
        finish(linear, sums, first, addend, out);
    }
}

#ifdef TILE_ROWS
NOT_INLINE linear_tile_i8(const edgernn_linear_i8 *linear, const int8_t *x, const int8_t *addend, int8_t *out,
                          const edgernn_rows *rows) {
    for (int first = 0; first < linear->outputs; first += COLUMNS_I8) {
        int32x4_t sums[TILE_ROWS][4];
        tile_sums_of(linear, linear->weights + (ptrdiff_t)first * 4 * linear->groups, x, rows->x, sums);
        for (int r = 0; r < TILE_ROWS; r++) {
            finish(linear, sums[r], first, addend ? addend + r * rows->b : NULL, out + r * rows->out);
        }
    }
}
#endif
