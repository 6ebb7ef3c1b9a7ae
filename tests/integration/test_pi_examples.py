"""The programs of examples/pi with simulated hardware: the bus and the camera play recordings."""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import edgernn

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "pi"
STEPS, FEATURES, RATE_HZ = 128, 9, 50


class Recording:
    """Simulated MPU-6050 that plays measurements, with the methods of smbus2.SMBus that the program calls."""

    def __init__(self, measurements: np.ndarray, identity: int = 0x68) -> None:
        words = np.zeros((len(measurements), 7), ">i2")
        words[:, :3] = np.round(measurements[:, :3] * 16384)
        words[:, 3] = -521  # the temperature, 35 degrees C, which is no input
        words[:, 4:] = np.round(np.degrees(measurements[:, 3:]) * 131)
        self.blocks = iter([row.tobytes() for row in words])
        self.identity, self.written = identity, list[tuple[int, int, int]]()

    def read_byte_data(self, address: int, register: int) -> int:
        assert (address, register) == (0x68, 0x75)
        return self.identity

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self.written.append((address, register, value))

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        assert (address, register, length) == (0x68, 0x3B, 14)
        assert self.written, "read while asleep"
        return list(next(self.blocks))


class Film:
    """Simulated camera that shows frames, with the methods of picamera2.Picamera2 that the program calls."""

    def __init__(self, frames: list[np.ndarray]) -> None:
        self.frames, self.running = frames, False

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        return main

    def configure(self, configuration: dict[str, Any]) -> None:
        assert configuration["format"] == "YUV420"
        self.width, self.height = configuration["size"]

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def capture_array(self, name: str) -> np.ndarray:
        assert (name, self.running) == ("main", True)
        frame = self.frames.pop(0)
        assert frame.shape == (self.height, self.width)
        # Brightness, and below it colour, which the program must ignore.
        return np.vstack([frame, np.full((self.height // 2, self.width), 128, np.uint8)])


@pytest.fixture
def motion(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return runpy.run_path(str(FOLDER / "motion.py"))


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return runpy.run_path(str(FOLDER / "camera.py"))


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """Return ten seconds of walking in the format of that example's training data, float32 [500, 9]."""
    time = np.arange(500) / RATE_HZ
    body = 0.3 * np.sin(2 * np.pi * 1.85 * time[:, np.newaxis] + [0, 1, 2])
    turning = 0.4 * np.cos(2 * np.pi * 0.93 * time[:, np.newaxis] + [0, 1, 2])
    return np.concatenate([body + np.array([0.9, 0.1, 0.4]), body, turning], axis=1, dtype=np.float32)


def test_rows_of_the_sensor_have_the_format_of_the_training_data(motion: dict[str, Any], walk: np.ndarray) -> None:
    bus = Recording(np.delete(walk, [3, 4, 5], axis=1))
    rows = np.array(list(islice(motion["rows_of"](motion["measure"](bus)), len(walk))))
    assert bus.written == [(0x68, 0x6B, 1), (0x68, 0x1A, 4)]  # awake, low-passed
    assert rows.dtype == np.float32
    # Within the sensor's resolution, 1/16384 g and 1/131 degrees/s.
    np.testing.assert_allclose(rows[:, :3], walk[:, :3], atol=1 / 16384)
    np.testing.assert_allclose(rows[:, 6:], walk[:, 6:], atol=np.radians(1 / 131))
    # After some seconds gravity is correct, except for the share of 1.85 Hz that the filter passes: 0.3 / 1.85.
    assert np.abs(rows[250:, 3:6] - walk[250:, 3:6]).max() < 0.3 * 0.3 / 1.85 * 1.1


def test_another_chip_at_the_address_is_an_error(motion: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="the chip at 0x68 identifies as 0x71, expected an MPU-6050, 0x68"):
        next(motion["measure"](Recording(np.zeros((1, 6)), identity=0x71)))


def test_the_loop_answers_each_window_and_begins_anew(motion: dict[str, Any]) -> None:
    model = edgernn.load(edgernn.sample())
    digits = np.load(edgernn.sample().with_name("digits.npy")) / 255
    guesses = list(motion["answers"](model, digits.reshape(-1, 28)))
    assert [guess.label for guess in guesses] == list("0123456789")
    assert [guess.probability for guess in guesses] == model.predict(digits).max(axis=1).tolist()


def drawn(digit: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a dark digit on light paper, with a shadow and noise, uint8 [480, 640]."""
    pixels = np.load(edgernn.sample().with_name("digits.npy"))[digit] / 255
    frame = np.tile(np.linspace(0.9, 0.55, 640), (480, 1))
    ink = np.kron(pixels, np.ones((10, 10)))
    frame[80:360, 150:430] *= 1 - 0.8 * ink
    return np.asarray(np.clip(255 * frame + rng.normal(0, 2, frame.shape), 0, 255), np.uint8)


def test_the_camera_reads_digits_on_paper_and_empty_paper(camera: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    film = Film([*(drawn(digit, rng) for digit in range(10)), np.full((480, 640), 200, np.uint8)])
    frames: Iterator[np.ndarray] = islice(camera["frames_of"](film), 11)
    guesses = list(camera["answers"](edgernn.load(edgernn.sample()), frames))
    assert [guess and guess.label for guess in guesses] == [*"0123456789", None]


def test_the_camera_is_stopped_when_the_loop_ends(camera: dict[str, Any]) -> None:
    film = Film([np.full((480, 640), 200, np.uint8)])
    frames = camera["frames_of"](film)
    next(frames)
    assert film.running
    frames.close()
    assert not film.running


# Simulated libraries that fail like the real ones.
NO_BUS = "def SMBus(bus):\n    raise FileNotFoundError(2, 'No such file or directory', '/dev/i2c-1')"
NO_CAMERA = "def Picamera2():\n    return [][0]"
SAMPLE = str(edgernn.sample())


@pytest.mark.parametrize(
    ("program", "words", "library", "message"),
    [
        ("motion.py", [], "", "usage: python "),
        ("camera.py", [], "", "usage: python "),
        ("motion.py", ["model.tflite"], NO_BUS, "error: model.tflite: no such file"),
        ("motion.py", [SAMPLE], NO_BUS, f"error: {SAMPLE} needs 28 numbers a row, expected 9, as the sensor has"),
        (
            "camera.py",
            [SAMPLE],
            NO_CAMERA,
            "error: no free camera; list the cameras with `rpicam-hello --list-cameras`",
        ),
        ("camera.py", [SAMPLE], "", "error: No module named 'picamera2': sudo apt install python3-picamera2"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, program: str, words: list[str], library: str, message: str) -> None:
    if library:
        for name in ("smbus2.py", "picamera2.py"):
            (tmp_path / name).write_text(library)
    command = [sys.executable, str(FOLDER / program), *words]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_a_disabled_bus_and_a_missing_sensor_are_errors(
    motion: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    smbus2 = ModuleType("smbus2")
    exec(NO_BUS, smbus2.__dict__)  # noqa: S102
    monkeypatch.setitem(sys.modules, "smbus2", smbus2)
    with pytest.raises(OSError, match="raspi-config nonint do_i2c 0"):
        motion["open_bus"]()
    silent = Recording(np.zeros((1, 6)))
    monkeypatch.setattr(silent, "read_byte_data", lambda _address, _register: open("/dev/none"))  # noqa: SIM115, PTH123
    with pytest.raises(OSError, match="no answer at 0x68; check the wiring"):
        next(motion["measure"](silent))
