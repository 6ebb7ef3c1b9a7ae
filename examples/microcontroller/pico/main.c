/* Gives a row to the model every 20 ms, and lights the board's LED while the answer is CLASS. */
#include "motion-int8.h"

#include "hardware/adc.h"
#include "pico/stdlib.h"

#define CLASS 0

/* Replace this by your sensor: raw numbers, in the units of the training samples. */
static void read_sensor(float *row)
{
    for (int i = 0; i < MOTION_INT8_FEATURES; i++) {
        adc_select_input((unsigned)i % 3u);
        row[i] = (float)adc_read();
    }
}

int main(void)
{
    static motion_int8_state state;
    motion_int8_init(&state);
    adc_init();
    for (unsigned pin = 26; pin < 29; pin++) {
        adc_gpio_init(pin);
    }
    gpio_init(PICO_DEFAULT_LED_PIN);
    gpio_set_dir(PICO_DEFAULT_LED_PIN, GPIO_OUT);
    for (;;) {
        float sensor[MOTION_INT8_FEATURES];
        int8_t row[MOTION_INT8_FEATURES], out[MOTION_INT8_OUTPUTS];
        int best = 0;
        read_sensor(sensor);
        motion_int8_quantize(sensor, row);
        motion_int8_step(&state, row, out);
        for (int i = 1; i < MOTION_INT8_OUTPUTS; i++) {
            best = out[i] > out[best] ? i : best;
        }
        gpio_put(PICO_DEFAULT_LED_PIN, best == CLASS);
        sleep_ms(20);
    }
}
