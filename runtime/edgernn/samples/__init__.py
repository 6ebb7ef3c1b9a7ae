"""Files that the wheel ships and `make sample` makes: a small artifact, digits drawn for it, and the kernel probes."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def sample() -> Path:
    """The artifact that comes with edgernn: a SimpleRNN that reads the rows of a handwritten digit.

    It is int8, unrolled, under 20 KB, and trained on real digits. Beside it lie digits to try it on, drawn by this
    project: `digit-0.png` to `digit-9.png`, and all of them in `digits.npy`, uint8 [10, 28, 28].

    Example:
        >>> import edgernn, numpy as np
        >>> path = edgernn.sample()
        >>> digits = np.load(path.with_name("digits.npy"))
        >>> edgernn.load(path).predict(digits).argmax(axis=1)
        array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    return _FOLDER / "digits-int8.tflite"
