/* Tables of 256 bytes for the shuffles of x86-64, of 32 or 64 bytes at once. */
#include <stdint.h>

/* Arranges the 16 parts of a table, 16 bytes each. A shuffle looks up one part and gives 0 if the highest bit of the
index is set. The kernels subtract 16 from the index before each further part, so the highest bit stays unset up to the
part that has the result. Each part is stored XOR the part before it, so the XOR of all looked-up bytes is the result. For
indices from 128 on, the subtraction clears the highest bit only for the later parts of the first half. So the parts of
the second half also contain those of the first half, which supplies the missing ones. */
static void prepare_table(const int8_t *table, uint8_t *prepared) {
    uint8_t by_bits[256], change[256];
    for (int q = -128; q < 128; q++) {
        by_bits[(uint8_t)q] = (uint8_t)table[q + 128];
    }
    for (int i = 0; i < 256; i++) {
        change[i] = (uint8_t)(by_bits[i] ^ (i < 16 ? 0 : by_bits[i - 16]));
    }
    for (int i = 0; i < 256; i++) {
        prepared[i] = (uint8_t)(change[i] ^ (i < 128 ? 0 : change[i - 128]));
    }
}
