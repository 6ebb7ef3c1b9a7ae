"""Recognize a person's activity live, with an MPU-6050 on I2C and the model of examples/activity-recognition.

    pip install smbus2
    python motion.py model-int8.tflite

The model receives 50 rows a second of 9 numbers, as in its training: acceleration in g, the same without gravity, and
angular velocity in rad/s, each along x, y, z.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import edgernn
from edgernn.system.quiet import standard_error_aside

RATE_HZ, FEATURES = 50, 9
BUS, ADDRESS = 1, 0x68
# InvenSense, MPU-6000 and MPU-6050 Register Map and Descriptions, RM-MPU-6000A-00.
CONFIG, ACCEL_XOUT_H, PWR_MGMT_1, WHO_AM_I = 0x1A, 0x3B, 0x6B, 0x75
BELOW_20_HZ = 4  # for CONFIG: low-pass against aliasing at 50 Hz; UCI HAR was filtered at 20 Hz, too
CLOCK_OF_GYROSCOPE = 1  # for PWR_MGMT_1: awake, with the more stable clock, as that document recommends
LSB_PER_G, LSB_PER_DEGREE_S = 16384, 131  # at the default ranges: 2 g, 250 degrees/s
# UCI HAR defines gravity as the acceleration below 0.3 Hz (Anguita et al., ESANN 2013).
GRAVITY_HZ = 0.3


def measure(bus: Any) -> Iterator[np.ndarray]:
    """Yield measurements, float32 [6], 50 a second: acceleration in g and angular velocity in rad/s.

    Args:
        bus: an smbus2.SMBus, or an object with the same methods.

    Raises:
        OSError: there is no MPU-6050 on the bus.
    """
    try:
        identity = bus.read_byte_data(ADDRESS, WHO_AM_I)
    except OSError as error:
        raise OSError(
            f"no answer at {ADDRESS:#x}; check the wiring, and list devices with `i2cdetect -y {BUS}`"
        ) from error
    if identity != ADDRESS:
        raise OSError(f"the chip at {ADDRESS:#x} identifies as {identity:#x}, expected an MPU-6050, {ADDRESS:#x}")
    bus.write_byte_data(ADDRESS, PWR_MGMT_1, CLOCK_OF_GYROSCOPE)  # it is asleep after power-up
    bus.write_byte_data(ADDRESS, CONFIG, BELOW_20_HZ)
    next_s = time.monotonic()
    while True:
        # One read for all registers, so that they belong to the same instant; the fourth number is the temperature.
        words = np.frombuffer(bytes(bus.read_i2c_block_data(ADDRESS, ACCEL_XOUT_H, 14)), ">i2").astype(np.float32)
        yield np.concatenate([words[:3] / LSB_PER_G, np.radians(words[4:] / LSB_PER_DEGREE_S)])
        # Scheduled by the clock, so that processing times do not add up. After a pause, missed rows are skipped.
        next_s = max(next_s + 1 / RATE_HZ, time.monotonic())
        time.sleep(max(0.0, next_s - time.monotonic()))


def rows_of(measurements: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the model's rows, float32 [9]; gravity is the acceleration behind a first-order low-pass filter."""
    share = 1 - np.exp(-2 * np.pi * GRAVITY_HZ / RATE_HZ)
    gravity = None
    for measured in measurements:
        acceleration, angular_velocity = measured[:3], measured[3:]
        gravity = acceleration if gravity is None else gravity + share * (acceleration - gravity)
        yield np.concatenate([acceleration, acceleration - gravity, angular_velocity]).astype(np.float32)


def answers(model: edgernn.Model, rows: Iterable[np.ndarray]) -> Iterator[edgernn.Guess]:
    """Yield the best guess for each window, at its last row; windows do not overlap."""
    labels, stream = labels_of(model), model.stream()
    for count, row in enumerate(rows, start=1):
        answer = stream.push(row)
        if count % model.input_shape[0] == 0:
            yield edgernn.Guess(labels[int(answer.argmax())], float(answer.max()))
            stream.reset()


def labels_of(model: edgernn.Model) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        InputError: the model has no named classes.
    """
    if model.card is None or not model.card.labels:
        raise edgernn.InputError(f"{model.path}: has no named classes, expected a classifier")
    return model.card.labels


def open_bus() -> Any:
    """Open the board's I2C bus.

    Raises:
        OSError: I2C is not enabled.
    """
    from smbus2 import SMBus

    try:
        return SMBus(BUS)
    except FileNotFoundError as error:
        raise OSError(f"no /dev/i2c-{BUS}; enable I2C with `sudo raspi-config nonint do_i2c 0`") from error


def main(artifact: str) -> None:
    """Read the sensor until Ctrl-C."""
    with standard_error_aside():  # LiteRT logs its delegate there
        model = edgernn.load(artifact)
    if model.input_shape[1:] != (FEATURES,):
        raise edgernn.InputError(
            f"{artifact} needs {model.input_shape[1]} numbers a row, expected {FEATURES}, as the sensor has"
        )
    with open_bus() as bus:
        for guess in answers(model, rows_of(measure(bus))):
            print(f"{time.strftime('%H:%M:%S')}  {guess.label}  {guess.probability:.0%}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} ARTIFACT")
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error}: pip install smbus2")
    except (OSError, edgernn.EdgernnError) as error:
        sys.exit(f"error: {error}")
