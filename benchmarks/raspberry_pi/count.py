"""Call an artifact between marks; run in a root, by its Python and under `instructions.c`.

Command line: BACKEND ARTIFACT CALLS ROUNDS. For each of `invoke`, `predict` and `push`, in this order: ROUNDS rounds of
two marks with CALLS calls between them.
"""

import gc
import os
import sys

import edgernn
from edgernn.golden import golden_inputs

WARMUP = 50  # Python specializes its bytecode during the first calls


def main() -> None:
    """Load, warm up, and call between marks."""
    backend, path, calls, rounds = sys.argv[1:]
    model = edgernn.load(path, backend=backend)
    if model.card is None:  # load refuses such files
        raise edgernn.ArtifactError(f"{path}: no card")
    x = golden_inputs([0], model.input_shape, *model.card.input_range)[0]
    stream = model.stream()
    gc.disable()  # a collection would fall into some rounds only
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
