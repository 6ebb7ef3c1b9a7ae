"""The `pip install` command of an extra."""

import shlex
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest
from packaging.requirements import Requirement

from edgernn.system.extras import native_machine, pip_install, wheel_install

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def packages_of(extra: str) -> set[str]:
    """Return the packages of an extra with their versions, those of the extras within it included."""
    found = set()
    for each in map(Requirement, EXTRAS[extra]):
        inner = [packages_of(name) for name in each.extras]
        found |= set().union(*inner) if inner else {f"{each.name}{each.specifier}"}
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_command_names_the_packages_of_the_project(extra: str) -> None:
    pip, install, *packages = shlex.split(pip_install(extra))
    assert (pip, install) == ("pip", "install")
    assert {str(Requirement(each)) for each in packages} == packages_of(extra)
    assert len(packages) == len(packages_of(extra))


def test_without_metadata_it_names_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(_name: str) -> NoReturn:
        raise PackageNotFoundError

    monkeypatch.setattr("importlib.metadata.requires", requires)
    assert pip_install("litert") == 'pip install "edgernn-0.1.0-py3-none-any.whl[litert]"'


@pytest.mark.parametrize(
    ("platform", "machine", "is_64_bit", "found"),
    [
        ("linux", "x86_64", True, "x86_64"),
        ("linux", "aarch64", True, "aarch64"),
        ("linux", "aarch64", False, "armv7l"),
        ("linux", "armv8l", False, "armv7l"),
        ("linux", "armv7l", False, "armv7l"),
        ("linux", "armv6l", False, "armv6l"),
        ("linux", "x86_64", False, ""),
        ("linux", "riscv64", True, ""),
        ("darwin", "x86_64", True, ""),
    ],
)
def test_a_machine_has_the_wheel_of_its_python(
    monkeypatch: pytest.MonkeyPatch, platform: str, machine: str, is_64_bit: bool, found: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("sys.maxsize", (1 << 63) - 1 if is_64_bit else (1 << 31) - 1)
    assert native_machine() == found


def test_a_wheel_is_named_with_and_without_an_extra() -> None:
    assert wheel_install(machine="armv6l") == "pip install edgernn-0.1.0-cp311-abi3-linux_armv6l.whl"
    assert wheel_install("tflite", "armv7l") == 'pip install "edgernn-0.1.0-cp311-abi3-linux_armv7l.whl[tflite]"'
