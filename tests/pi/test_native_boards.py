"""Native kernels on every system and board: the wheel of the machine, from pip, has the host's bits in int8.

armv6l runs twice. The wheel that `make wheels` builds takes floats in registers of the floating-point unit, as Raspbian
does, and runs in Debian's armhf, whose Python is for ARMv7. Debian's armel has packages for ARMv6, and runs the same
code, compiled for its calling convention, on the processor of a Raspberry Pi Zero.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.exports import FLOAT32, INT8, INT8_LOOP
from edgernn.arrays import Float32
from raspberry_pi.counting import find_runs
from raspberry_pi.device_answers import DeviceAnswers, answer_here, answers_of
from raspberry_pi.raspberry_pi_page import BESIDE_NATIVE
from raspberry_pi.root_building import build_wheel, cache_folder
from raspberry_pi.roots import HOME, REPOSITORY, ROOTS, SHARED, Device

MODELS = ("SimpleRNN(64)", "GRU(64)", "LSTM(64)")
TARGETS = (INT8, INT8_LOOP, FLOAT32)
# In float32, each instruction set adds up in another order.
TOLERANCE = 1e-5
INSTRUCTION_SETS = {
    "Raspberry Pi 5": "neondot",
    "Raspberry Pi 4": "neon",
    "Raspberry Pi 3": "neon",
    "Raspberry Pi 2": "neon",
    "Raspberry Pi Zero": "scalar",
}
# In any probability. LiteRT on Arm rounds halves up where others round them to even, which changes an LSTM's states; in
# the other kinds only the softmax differs, by one step.
MAX_DIFFERENCES = {"SimpleRNN(64)": 1 / 256, "GRU(64)": 1 / 256, "LSTM(64)": 0.25}
PLACES = [(root.name, board.name) for root in ROOTS for board in root.boards]
FOLDER = HOME / "armv6l"  # of the wheel for armv6l, in Debian's armhf


@dataclass(frozen=True)
class ModelFiles:
    """Artifacts of each kind of model, in the folder that devices see, and their answers here."""

    paths: dict[str, Path]
    x: Float32
    here: dict[str, DeviceAnswers]

    def on(self, device: Device, backend: str) -> dict[str, DeviceAnswers]:
        return answers_of(device, backend, list(self.paths))


def name_of(model: str, target: Any) -> str:
    return target.file_name(model.partition("(")[0].lower())


@pytest.fixture(scope="module")
def files(run: Path, shared: Path, digits: Float32) -> ModelFiles:
    """Return the files of the three kinds of models; GRU and LSTM are trained if they are not in runs/."""
    runs = dict(find_runs(REPOSITORY / "runs", print)) | {MODELS[0]: run}
    paths = {}
    for model in MODELS:
        for target in TARGETS:
            name = name_of(model, target)
            paths[name] = Path(shutil.copy(runs[model] / target.file_name("digits"), shared / name))
    return ModelFiles(paths, digits, {name: answer_here(path, "native", digits) for name, path in paths.items()})


@pytest.fixture(scope="module")
def native_answers(
    files: ModelFiles, all_devices: dict[tuple[str, str], Device]
) -> Callable[[str, str], dict[str, DeviceAnswers]]:
    """Return a function from a root and a board to the answers of native there."""
    kept: dict[tuple[str, str], dict[str, DeviceAnswers]] = {}

    def find(root: str, board: str) -> dict[str, DeviceAnswers]:
        if (root, board) not in kept:
            kept[root, board] = files.on(all_devices[root, board], "native")
        return kept[root, board]

    return find


def check_answers(files: ModelFiles, there: dict[str, DeviceAnswers], instruction_set: str) -> None:
    """Compare the answers of native on a device with those here: one by one, in a batch, and as streams."""
    assert there.keys() == files.paths.keys()
    for name, found in there.items():
        here = files.here[name]
        assert found.refused == ""
        assert found.backend == f"native {here.backend.split()[1]} {instruction_set}"
        for ours, theirs in ((here.whole, found.whole), (here.single, found.single), (here.streamed, found.streamed)):
            assert theirs.shape == ours.shape
            if "-int8" in name:
                assert int((theirs != ours).any(axis=1).sum()) == 0, name
            else:
                np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE, err_msg=name)
        if "-int8" in name:
            assert np.array_equal(found.whole, found.streamed), name


@pytest.mark.parametrize("place", PLACES, ids=", ".join)
def test_the_wheel_of_the_machine_has_the_bits_of_the_host(
    files: ModelFiles, native_answers: Callable[[str, str], dict[str, DeviceAnswers]], place: tuple[str, str]
) -> None:
    check_answers(files, native_answers(*place), INSTRUCTION_SETS[place[1]])


def test_the_wheel_for_armv6l_has_the_bits_of_the_host(
    files: ModelFiles, all_devices: dict[tuple[str, str], Device], shared: Path
) -> None:
    wheel = build_wheel("armv6l", cache_folder() / "wheel" / "armv6l")
    shutil.copy(wheel, shared)
    # pip asks Python for the machine, and refuses wheels for others.
    armhf = all_devices["armhf-bookworm", "Raspberry Pi 2"]
    device = replace(armhf, variables={"_PYTHON_HOST_PLATFORM": "linux-armv6l", "PYTHONPATH": str(FOLDER)})
    shutil.rmtree(armhf.folder / FOLDER.relative_to("/"), ignore_errors=True)
    install = ["pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-compile"]
    done = device.run([*install, "--target", str(FOLDER), SHARED / wheel.name])
    assert (done.returncode, done.stderr) == (0, "")
    done = device.run(["python", "-c", "import edgernn._native as native; print(native.__file__)"])
    assert done.stdout.strip() == f"{FOLDER}/edgernn/_native.abi3.so"
    check_answers(files, files.on(device, "native"), "scalar")


@pytest.mark.parametrize("place", [place for place in PLACES if place[0].startswith("arm64")], ids=", ".join)
def test_litert_differs_from_native_only_by_rounding(
    files: ModelFiles,
    all_devices: dict[tuple[str, str], Device],
    native_answers: Callable[[str, str], dict[str, DeviceAnswers]],
    results: dict[str, Any],
    place: tuple[str, str],
) -> None:
    """Collect for the page how many samples differ between LiteRT and native on the same processor."""
    native, litert = native_answers(*place), files.on(all_devices[place], "litert")
    for model in MODELS:
        for target in (INT8, INT8_LOOP):
            name = name_of(model, target)
            ours, theirs = native[name], litert[name]
            assert theirs.refused == ""
            differing = (theirs.whole != ours.whole).any(axis=1)
            results[BESIDE_NATIVE].append(
                {
                    "root": place[0],
                    "board": place[1],
                    "model": model,
                    "artifact": name,
                    "samples": len(differing),
                    "differing": int(differing.sum()),
                    "difference": float(np.abs(theirs.whole - ours.whole).max()),
                    "agreement": float((theirs.whole.argmax(axis=1) == ours.whole.argmax(axis=1)).mean()),
                }
            )
            assert np.array_equal(theirs.streamed, theirs.whole)
            assert np.abs(theirs.whole - ours.whole).max() <= MAX_DIFFERENCES[model]
