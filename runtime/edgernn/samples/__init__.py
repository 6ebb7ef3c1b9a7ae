"""Files in the wheel, created by `make sample`: a small artifact, drawn digits as its inputs, and the kernel probes."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def sample() -> Path:
    """Return the path of the artifact in the wheel: a SimpleRNN that reads the rows of a handwritten digit.

    It is int8, unrolled, under 20 KB, and trained on real digits. The same folder contains digits drawn by this
    project to try it with: `digit-0.png` to `digit-9.png`, and all in `digits.npy`, uint8 [10, 28, 28].

    Example:
        >>> import edgernn, numpy as np
        >>> path = edgernn.sample()
        >>> digits = np.load(path.with_name("digits.npy"))
        >>> edgernn.load(path).predict(digits).argmax(axis=1)
        array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    return _FOLDER / "digits-int8.tflite"
