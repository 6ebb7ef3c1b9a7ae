"""NAME_test.c: a program for the device that answers samples, compares, and prints the time of an answer."""

from typing import Any

import numpy as np

from edgernn.program.operators import Softmax
from edgernn_export.formats.c.emitter import float_text
from edgernn_export.formats.c.writer import CSource

MAX_SAMPLES = 4
# In all rows of the test together: they must fit beside the model.
MAX_BYTES = 8_192
# Largest difference of an answer: a step of a softmax is not exact in integers, everything else is.
_FLOAT_TOLERANCE = 1e-4

_TEXT = """\
/* Test of {prefix}: answers samples on this device, whole and row by row, and prints the time of one answer.
Compile it with {header_stem}.c. {prefix}_test() returns 0 if all is right; -D{upper}_NO_MAIN leaves out main.
Cortex-M3 and larger ones count cycles. Elsewhere <time.h> is used, unless {upper}_CLOCK (a function that returns an
uint32_t) and {upper}_CLOCK_UNIT (a text) are defined. */
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

/* FNV-1a of the answers' bytes: equal on all cores{int8_only}. */
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
            wrong += out[i] > right[i] + MAX_DIFFERENCE || out[i] < right[i] - MAX_DIFFERENCE;
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
    """Return how many samples a test has."""
    size = source.layout.program.steps * source.features * (1 if source.layout.is_int8 else 4)
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
    softmax = any(isinstance(operator, Softmax) for operator in program.answer)
    largest = str(int(softmax)) if is_int8 else float_text(_FLOAT_TOLERANCE)
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
