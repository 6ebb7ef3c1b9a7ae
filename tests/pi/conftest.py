"""Devices of `make test-pi`, the programs run on them, and the results for docs/raspberry-pi.md."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.results import FORMAT
from edgernn.arrays import Float32
from edgernn.data.datasets import read_samples
from edgernn.system.files import write_json
from edgernn_export import export
from edgernn_export.targets import DEFAULT_TARGETS
from raspberry_pi.device_answers import COUNT, DeviceAnswers, answer_here, answers_of, share, takes
from raspberry_pi.raspberry_pi_page import BESIDE_NATIVE
from raspberry_pi.root_building import cache_folder, devices, roots_locked
from raspberry_pi.roots import REPOSITORY, ROOTS, Device, Root

RESULTS = REPOSITORY / "build" / "raspberry-pi.json"


@pytest.fixture(scope="session")
def run() -> Path:
    """Return the run folder with the default export, RUN=DIR of make."""
    return Path(os.environ.get("RUN") or REPOSITORY / "runs" / "demo").resolve()


@pytest.fixture(scope="session")
def artifacts(run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of every default target; make those that an export leaves out, because others are better."""
    missing = [target for target in DEFAULT_TARGETS if not (run / target.file_name("digits")).is_file()]
    if missing:
        rows = export(run, tmp_path_factory.mktemp("artifacts"), targets=missing)
        assert all(row.passed for row in rows), [row.reason for row in rows]
        made = {row.target: row.path for row in rows}
    else:
        made = {}
    return [made.get(target, run / target.file_name("digits")) for target in DEFAULT_TARGETS]


@pytest.fixture(scope="session")
def digits(run: Path) -> Float32:
    return read_samples(run).x_test[:COUNT]


@pytest.fixture(scope="session")
def shared(artifacts: list[Path], digits: Float32, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder of the host that every device sees."""
    folder = tmp_path_factory.mktemp("shared")
    folder.chmod(0o755)
    share(folder, artifacts, digits)
    shutil.copytree(REPOSITORY / "examples" / "pi", folder / "pi")
    for wheels in (cache_folder() / "wheels").iterdir():
        shutil.copytree(wheels, folder / "wheels" / wheels.name)
    return folder


@pytest.fixture(scope="session")
def all_devices(shared: Path) -> dict[tuple[str, str], Device]:
    return {(device.root.name, device.board.name): device for device in devices(shared)}


@pytest.fixture(scope="session", params=ROOTS, ids=lambda root: root.name)
def device(request: pytest.FixtureRequest, all_devices: dict[tuple[str, str], Device]) -> Device:
    """Return a root, on the first of its boards."""
    root: Root = request.param
    return all_devices[root.name, root.boards[0].name]


@pytest.fixture(scope="session")
def on_host(artifacts: list[Path], digits: Float32) -> Callable[[str], DeviceAnswers]:
    """Return a function from an artifact's name to its answers on this machine."""
    kept: dict[str, DeviceAnswers] = {}
    paths = {path.name: path for path in artifacts}

    def find(name: str) -> DeviceAnswers:
        if name not in kept:
            kept[name] = answer_here(paths[name], "", digits)
        return kept[name]

    return find


@pytest.fixture(scope="session")
def on_device(artifacts: list[Path]) -> Callable[[Device, str], dict[str, DeviceAnswers]]:
    """Return a function from a device and a backend to the answers of all its artifacts, by name."""
    kept: dict[tuple[str, str, str], dict[str, DeviceAnswers]] = {}

    def find(device: Device, backend: str) -> dict[str, DeviceAnswers]:
        place = device.root.name, device.board.name, backend
        if place not in kept:
            targets = zip(DEFAULT_TARGETS, artifacts, strict=True)
            names = [path.name for target, path in targets if takes(backend, path.suffix, target.quantization)]
            kept[place] = answers_of(device, backend, names)
        return kept[place]

    return find


@pytest.fixture(scope="session", autouse=True)
def lock() -> Iterator[None]:
    with roots_locked():
        yield


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Collect the results for the page; write them at the end, if all checks passed."""
    found: dict[str, Any] = {"format": FORMAT, "answers": [], "systems": {}, BESIDE_NATIVE: []}
    yield found
    if request.session.testsfailed:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    write_json(RESULTS, found)
