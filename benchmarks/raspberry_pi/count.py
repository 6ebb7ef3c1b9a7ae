"""Call artifacts between marks; run in a root, by its Python and under `instructions.c`.

Command line: BACKEND CALLS ROUNDS ARTIFACT…. For each artifact, and each of `invoke`, `predict` and `push`, in this
order: ROUNDS rounds of two marks with CALLS calls between them. Prints a line for each artifact: an empty one, or the
reason why the backend refuses it; a refused artifact has no marks.
"""

import gc
import os
import sys

import edgernn
from edgernn.golden import golden_inputs

WARMUP = 50  # Python specializes its bytecode during the first calls


def main() -> None:
    """Count each artifact."""
    backend, calls, rounds, *artifacts = sys.argv[1:]
    gc.disable()  # a collection would add instructions to some rounds only
    for path in artifacts:
        try:
            _mark(backend, path, int(calls), int(rounds))
        except edgernn.ArtifactError as error:
            sys.stdout.write(f"{error}\n")
        else:
            sys.stdout.write("\n")
        gc.collect()


def _mark(backend: str, path: str, calls: int, rounds: int) -> None:
    """Load, warm up, and call between marks."""
    model = edgernn.load(path, backend=backend)
    if model.card is None:  # load refuses such files
        raise edgernn.ArtifactError(f"{path}: no card")
    x = golden_inputs([0], model.input_shape, *model.card.input_range)[0]
    stream = model.stream()
    for call in (model.bare_call(x), lambda: model.predict(x), lambda: stream.push(x[0])):
        for _ in range(WARMUP):
            call()
        for _ in range(rounds):
            os.getppid()
            for _ in range(calls):
                call()
            os.getppid()


if __name__ == "__main__":
    main()
