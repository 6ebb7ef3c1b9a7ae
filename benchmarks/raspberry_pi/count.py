"""Run in a root, by its Python and under `instructions.c`: calls of an artifact between marks.

Command line: BACKEND ARTIFACT CALLS ROUNDS. For each of `invoke`, `predict` and `push`, in this order, so many rounds
of two marks with so many calls between them.
"""

import gc
import os
import sys

import edgernn
from edgernn.golden import golden_inputs

WARMUP = 50  # Python adapts its byte code to what it meets


def main() -> None:
    """Load, warm up, and call between marks."""
    backend, path, calls, rounds = sys.argv[1:]
    model = edgernn.load(path, backend=backend)
    if model.card is None:  # which load has refused
        raise edgernn.ArtifactError(f"{path}: no card")
    x = golden_inputs([0], model.input_shape, *model.card.input_range)[0]
    stream = model.stream()
    gc.disable()  # it would fall into one round and not into the next
    for call in (model.bare_call(x), lambda: model.predict(x), lambda: stream.push(x[0])):
        for _ in range(WARMUP):
            call()
        for _ in range(int(rounds)):
            os.getppid()
            for _ in range(int(calls)):
                call()
            os.getppid()


if __name__ == "__main__":
    main()
