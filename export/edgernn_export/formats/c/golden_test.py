"""NAME_test.c: a program for the device that compares its answers with those expected, and prints their time."""

from typing import Any

import numpy as np

from edgernn.program.operators import Softmax
from edgernn_export.formats.c.emitter import float_text
from edgernn_export.formats.c.writer import CSource

MAX_SAMPLES = 4
# Of all samples together, which must fit into flash beside the model.
MAX_BYTES = 8_192
# Maximum difference of a float32 answer, as a share of the largest answer, or of 1 if that is larger. Functions such as
# tanhf differ between libraries. In int8 the maximum difference is 1 after a softmax, otherwise 0.
_FLOAT_TOLERANCE = 1e-4

_TEXT = """\
/* Test of {prefix}: predicts samples on this device, whole and row by row, and prints the time of one prediction.
Compile it with {header_stem}.c. {prefix}_test() returns 0 if all answers are right; -D{upper}_NO_MAIN leaves out main.
Cortex-M3 and larger cores count cycles, others use <time.h>. To use another clock, define {upper}_CLOCK, a function
that returns a uint32_t, and {upper}_CLOCK_UNIT, a text. */
#include "{header}"

#include <stdio.h>
#include <string.h>

#define SAMPLES {samples}
{largest}

#if defined({upper}_CLOCK)
#elif defined(__ARM_ARCH_7M__) || defined(__ARM_ARCH_7EM__) || defined(__ARM_ARCH_8M_MAIN__)
#define {upper}_CLOCK_UNIT "cycles"
/* The cycle counter of the core's debug unit. */
static uint32_t count_cycles(void)
{{
    *(volatile uint32_t *)0xE000EDFCu |= 1u << 24;
    *(volatile uint32_t *)0xE0001000u |= 1u;
    return *(volatile uint32_t *)0xE0001004u;
}}
#define {upper}_CLOCK count_cycles
#else
#include <time.h>
#define {upper}_CLOCK_UNIT "clock ticks"
static uint32_t count_ticks(void)
{{
    return (uint32_t)clock();
}}
#define {upper}_CLOCK count_ticks
#endif

static const {c_type} rows[SAMPLES][{upper}_STEPS * {upper}_FEATURES] = {{
{rows}
}};

static const {c_type} expected[SAMPLES][{upper}_ANSWERS * {upper}_OUTPUTS] = {{
{expected}
}};

/* FNV-1a hash of the answers: equal on all cores{int8_only}. */
static uint32_t digest_of(const void *data, unsigned size, uint32_t digest)
{{
    for (unsigned i = 0; i < size; i++) {{
        digest = (digest ^ ((const unsigned char *)data)[i]) * 16777619u;
    }}
    return digest;
}}

int {prefix}_test(void)
{{
    int wrong = 0, different = 0;
    uint32_t digest = 2166136261u, time = 0;
    for (int sample = 0; sample < SAMPLES; sample++) {{
        {c_type} out[{upper}_ANSWERS * {upper}_OUTPUTS], streamed[{upper}_OUTPUTS];
        {prefix}_state state;
        const uint32_t start = {upper}_CLOCK();
        {prefix}_predict(rows[sample], out);
        time = {upper}_CLOCK() - start;
        digest = digest_of(out, sizeof out, digest);
        for (int i = 0; i < {upper}_ANSWERS * {upper}_OUTPUTS; i++) {{
            const {c_type} *right = expected[sample];
            wrong += !(out[i] <= right[i] + MAX_DIFFERENCE && out[i] >= right[i] - MAX_DIFFERENCE); /* also NaN */
        }}
        {prefix}_init(&state);
        for (int i = 0; i < {upper}_STEPS; i++) {{
            {prefix}_step(&state, rows[sample] + i * {upper}_FEATURES, streamed);
        }}
        different += memcmp(streamed, out + ({upper}_ANSWERS - 1) * {upper}_OUTPUTS, sizeof streamed) != 0;
    }}
    printf("{prefix}: %d samples, %d wrong numbers, %d streams that differ, digest %08lx, ", SAMPLES, wrong, different,
           (unsigned long)digest);
    printf("%lu %s an answer\\n", (unsigned long)time, {upper}_CLOCK_UNIT);
    return wrong || different;
}}

#ifndef {upper}_NO_MAIN
int main(void)
{{
    return {prefix}_test();
}}
#endif
"""


def count_samples(source: CSource) -> int:
    """Return the number of samples of a test."""
    size = source.layout.program.steps * source.features * source.element_bytes
    return max(1, min(MAX_SAMPLES, MAX_BYTES // size))


def write_test(source: CSource, rows: Any, answers: Any, header: str) -> str:
    """Return the text of the test.

    Args:
        source: the program.
        rows: samples in the program's numbers, [samples, steps, features].
        answers: right answers in the program's numbers, [samples, ...].
        header: name of the header file.
    """
    program, is_int8 = source.layout.program, source.layout.is_int8
    softmax = any(isinstance(operator, Softmax) for operator in (*program.rows, *program.answer))
    largest = str(int(softmax)) if is_int8 else float_text(_FLOAT_TOLERANCE * max(1.0, float(np.abs(answers).max())))
    number = str if is_int8 else float_text
    texts = [
        "\n".join(f"    {{{', '.join(number(each) for each in sample.ravel().tolist())}}}," for sample in samples)
        for samples in (np.asarray(rows), np.asarray(answers))
    ]
    return _TEXT.format(
        prefix=source.prefix,
        upper=source.prefix.upper(),
        header=header,
        header_stem=header.removesuffix(".h"),
        samples=len(rows),
        largest=f"#define MAX_DIFFERENCE {largest}",
        c_type=source.c_type,
        rows=texts[0],
        expected=texts[1],
        int8_only="" if is_int8 else " with the same float32 library",
    )
