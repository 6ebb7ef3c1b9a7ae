"""Programs read from .tflite files give the bits of LiteRT."""

import numpy as np
from program import oracle

import edgernn
from edgernn.backends.litert import open_artifact
from edgernn.program.operators import Program
from edgernn.program.reader import read_program


def make_rows(program: Program, samples: int) -> np.ndarray:
    features = program.values[program.input].shape[-1]
    random = np.random.default_rng(0)
    return random.normal(size=(samples, program.steps, features)).astype(np.float32)


def test_the_digits_program_gives_the_bits_of_litert_whole_and_streamed() -> None:
    data = edgernn.sample().read_bytes()
    program, backend = read_program(data), open_artifact(data, 1)
    x = make_rows(program, 200)

    assert np.array_equal(oracle.answer(program, x), backend.run((x,))[0])
    stepper = backend.start()
    streamed = np.stack([stepper.step((row,))[0] for row in x[0]])
    assert np.array_equal(oracle.stream(program, x[:1])[0], streamed)
