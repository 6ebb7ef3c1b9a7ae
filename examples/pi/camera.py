"""Read the handwritten digit in front of a camera, once a second.

    sudo apt install python3-picamera2        # the virtual environment: python3 -m venv --system-site-packages
    python camera.py digits-int8.tflite

Each frame is prepared like a photo for `edgernn predict`.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import edgernn
from edgernn.data.pictures import prepare
from edgernn.inputs import PIXELS
from edgernn.system.quiet import standard_error_aside

WIDTH, HEIGHT = 640, 480
PERIOD_S = 1.0


def frames_of(camera: Any) -> Iterator[np.ndarray]:
    """Yield grey frames, uint8 [height, width], once a second.

    Args:
        camera: a picamera2.Picamera2, or an object with the same methods.
    """
    # The first HEIGHT rows of YUV420 are the brightness, so no colour needs to be converted.
    camera.configure(camera.create_video_configuration(main={"size": (WIDTH, HEIGHT), "format": "YUV420"}))
    camera.start()
    try:
        while True:
            yield camera.capture_array("main")[:HEIGHT, :WIDTH]
            time.sleep(PERIOD_S)
    finally:
        camera.stop()


def answers(model: edgernn.Model, frames: Iterable[np.ndarray]) -> Iterator[edgernn.Guess | None]:
    """Yield the best guess for each frame; None if it shows no drawing."""
    card = model.card
    if card is None or card.input_meaning not in PIXELS or not card.labels:
        raise edgernn.InputError(
            f"{model.path}: not a model for pixels with named classes; give one, such as digits-int8.tflite"
        )
    for frame in frames:
        try:
            digit = prepare(frame.astype(np.float32) / np.float32(255), card)
        except edgernn.InputError:
            yield None
        else:
            answer = model.predict(digit)
            yield edgernn.Guess(card.labels[int(answer.argmax())], float(answer.max()))


def open_camera() -> Any:
    """Open the board's camera.

    Raises:
        OSError: there is no camera, or another program uses it.
    """
    from picamera2 import Picamera2

    try:
        return Picamera2()
    except (IndexError, RuntimeError) as error:  # without a camera, and with one in use
        raise OSError("no free camera; list the cameras with `rpicam-hello --list-cameras`") from error


def main(artifact: str) -> None:
    """Print guesses until Ctrl-C."""
    with standard_error_aside():  # LiteRT logs its delegate there
        model = edgernn.load(artifact)
    for guess in answers(model, frames_of(open_camera())):
        print("no drawing" if guess is None else f"{guess.label}  {guess.probability:.0%}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} ARTIFACT")
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}: sudo apt install python3-picamera2, and python3 -m venv --system-site-packages")
    except (OSError, edgernn.EdgernnError) as error:
        sys.exit(f"error: {error}")
