"""A program's answers beside LiteRT's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from program import batches, invariants, oracle

from edgernn.backends.litert import open_artifact
from edgernn.program.operators import INT8, Program
from edgernn.program.reader import read_program

# Float32: LiteRT's tanh and exp are approximations, and sums have another order. Each step adds to the difference.
DIFFERENCE_PER_STEP = 2e-6


def faults(data: bytes, x: Any, streamed: int = 3) -> Iterator[str]:
    """Yield where the program of a file differs from LiteRT: in any bit of int8 answers, or beyond float32's rounding.

    Args:
        data: a .tflite file.
        x: float32 [samples, steps, features].
        streamed: number of samples that are also streamed.

    Raises:
        UnsupportedError: there is no program of the file.
    """
    program = read_program(data)
    yield from invariants.faults(program)
    backend = open_artifact(data, 1)
    values = _numbers(program, program.input, x)
    yield from _differences("whole", program, backend.run((x,))[0], oracle.answer(program, values))
    yield from batches.faults(program, np.resize(values, (batches.SAMPLES, *values.shape[1:])))
    if program.states:
        expected = []
        for sample in x[:streamed]:
            stepper = backend.start()
            expected.append([stepper.step((row,))[0] for row in sample])
        found = oracle.stream(program, values[:streamed])
        yield from _differences("streamed", program, np.array(expected).reshape(found.shape), found)


def _numbers(program: Program, number: int, x: Any) -> Any:
    """Return real values in a value's own numbers."""
    value = program.values[number]
    if value.type != INT8:
        return x
    return np.clip(np.rint(x / np.float32(value.scale)) + value.zero_point, -128, 127).astype(np.int8)


def _differences(name: str, program: Program, expected: Any, found: Any) -> Iterator[str]:
    value = program.values[program.output]
    if value.type == INT8:
        found = (found.astype(np.float32) - np.float32(value.zero_point)) * np.float32(value.scale)
    found = found.reshape(expected.shape)
    has_integers = any(each.type == INT8 for each in program.values)
    limit = 0.0 if has_integers else DIFFERENCE_PER_STEP * max(program.steps, 10) * max(1.0, np.abs(expected).max())
    differs = ~((np.abs(found - expected) <= limit) | (found == expected))
    if differs.any():
        samples = differs.reshape(len(differs), -1).any(1)
        yield (
            f"{name}: {samples.sum()} of {len(samples)} samples differ from LiteRT, by at most "
            f"{np.abs(found - expected).max():.3g}"
        )
