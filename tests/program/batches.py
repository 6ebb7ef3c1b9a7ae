"""Batches of the native engine beside its answers to single samples."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgernn.program.operators import INT8, Program
from edgernn.program.plan import make_plan

if sys.platform == "linux":
    from edgernn import _native

# More than twice as many as run side by side.
SAMPLES = 35


def faults(program: Program, x: Any) -> Iterator[str]:
    """Yield the instruction sets and numbers of samples whose answers differ from those to single samples in any bit.

    With integers, every instruction set has the bits of the scalar kernels; otherwise each has its own.

    Args:
        program: a program that the engine can run.
        x: [samples, ...], in the numbers of the program's input.
    """
    plan, x = make_plan(program), np.ascontiguousarray(x)
    has_integers = any(value.type == INT8 for value in program.values)
    right: list[bytes] = []
    for name in _native.instruction_sets():
        engine = _native.Program(plan.words, plan.constants, name)
        if not (right and has_integers):
            right = [_answers(engine, each[np.newaxis].copy()) for each in x]
        sizes = {1, 2, engine.lanes - 1, engine.lanes, engine.lanes + 1, 2 * engine.lanes + 3}
        for size in sorted(size for size in sizes if 0 < size <= len(x)):
            if _answers(engine, x[:size]) != b"".join(right[:size]):
                yield f"a batch of {size} samples with {name}, of which {engine.lanes} run side by side"


def check_bits(program: Program, x: Any) -> None:
    """Require that batches have the bits of single samples; see `faults`."""
    assert list(faults(program, x)) == []


def _answers(engine: Any, x: Any) -> bytes:
    answers = bytearray(len(x) * engine.answer_bytes)
    assert engine.run(len(x), x, answers)
    return bytes(answers)
