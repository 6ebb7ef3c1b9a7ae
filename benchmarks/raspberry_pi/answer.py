"""Answer samples with artifacts, in a batch, one by one, and row by row; run in a root, by its Python.

Command line: BACKEND SAMPLES.npy ANSWERS.npz ARTIFACT… Only edgernn and its dependencies can be imported here. For each
artifact, the result contains NAME/answers, NAME/singles, NAME/streams and NAME/backend, or NAME/refused with a message.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import edgernn


def _answer(path: Path, backend: str, x: Any) -> dict[str, Any]:
    try:
        model = edgernn.load(path, backend=backend)
    except edgernn.ArtifactError as error:
        return {"refused": str(error)}
    stream = model.stream()
    streams = np.stack([stream.answer(sample) for sample in x])
    singles = np.stack([model.predict(sample) for sample in x])
    return {"answers": model.predict(x), "singles": singles, "streams": streams, "backend": model.backend}


def main() -> None:
    """Answer all samples with each artifact."""
    backend, samples, target, *artifacts = sys.argv[1:]
    x, found = np.load(samples), dict[str, Any]()
    for path in map(Path, artifacts):
        found |= {f"{path.name}/{name}": value for name, value in _answer(path, backend, x).items()}
    np.savez(target, **found)


if __name__ == "__main__":
    main()
