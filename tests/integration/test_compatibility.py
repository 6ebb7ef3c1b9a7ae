"""The extra `tflite` installs tflite-runtime where there is a wheel; tests/install runs artifacts on it."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("python", "packages"), [("3.11", {"tflite-runtime", "numpy"}), ("3.12", set())])
def test_the_extra_installs_it_where_there_is_a_wheel(python: str, packages: set[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [Requirement(line) for line in project["optional-dependencies"]["tflite"]]
    assert {need.name for need in needs if need.marker and need.marker.evaluate({"python_version": python})} == packages
