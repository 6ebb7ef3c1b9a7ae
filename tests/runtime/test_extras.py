"""The `pip install` command of an extra."""

import shlex
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import pytest
from packaging.requirements import Requirement

from edgernn.system.extras import pip_install

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
