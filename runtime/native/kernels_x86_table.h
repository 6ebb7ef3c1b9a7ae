/* Tables of 256 bytes for the shuffles of x86-64, of 32 or 64 bytes at once. */
#include <stdint.h>

/* A shuffle looks up 16 bytes and gives 0 for an index with the highest bit. Subtracting 16 again and again leaves that
bit unset as long as the index is not below a table: XOR of all tables from the first to the right one is its content,
if each table is stored as XOR with the one before. The indices from 128 on wrap around once, which the second half of
the tables takes off. */
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
