/* Inputs of programs: always the same numbers, int8 or float32 between -4 and 4. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static void fill_input(uint8_t *bytes, size_t count, int is_float) {
    uint32_t number = 1;
    for (size_t k = 0; k < count; k += is_float ? 4 : 1) {
        number = number * 1664525u + 1013904223u;
        const float value = (float)(number >> 16) / 8192.0f - 4.0f;
        if (is_float) {
            memcpy(bytes + k, &value, sizeof value);
        } else {
            bytes[k] = (uint8_t)(number >> 24);
        }
    }
}
