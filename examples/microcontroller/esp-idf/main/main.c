/* Gives a row to the model every 20 ms, and lights an LED at PIN while the answer is CLASS. */
#include "motion-int8.h"

#include "driver/gpio.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#define CLASS 0
#define PIN GPIO_NUM_2

/* Replace this by your sensor: raw numbers, in the units of the training samples. */
static void read_sensor(float *row)
{
    for (int i = 0; i < MOTION_INT8_FEATURES; i++) {
        row[i] = 0.0f;
    }
}

void app_main(void)
{
    static motion_int8_state state;
    motion_int8_init(&state);
    gpio_set_direction(PIN, GPIO_MODE_OUTPUT);
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
        gpio_set_level(PIN, best == CLASS);
        vTaskDelay(pdMS_TO_TICKS(20));
    }
}
