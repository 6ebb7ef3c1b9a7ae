/* Gives a row to the model every 20 ms, and lights the board's LED while the answer is CLASS. */
#include <EdgernnModel.h>

static const int CLASS = 0;
static motion_int8_state state;

/* Replace this by your sensor: raw numbers, in the units of the training samples. */
static void read_sensor(float *row)
{
    for (int i = 0; i < MOTION_INT8_FEATURES; i++) {
        row[i] = analogRead(A0 + i);
    }
}

void setup()
{
    pinMode(LED_BUILTIN, OUTPUT);
    motion_int8_init(&state);
}

void loop()
{
    float sensor[MOTION_INT8_FEATURES];
    int8_t row[MOTION_INT8_FEATURES], out[MOTION_INT8_OUTPUTS];
    int best = 0;
    read_sensor(sensor);
    motion_int8_quantize(sensor, row);
    motion_int8_step(&state, row, out);
    for (int i = 1; i < MOTION_INT8_OUTPUTS; i++) {
        best = out[i] > out[best] ? i : best;
    }
    digitalWrite(LED_BUILTIN, best == CLASS ? HIGH : LOW);
    delay(20);
}
