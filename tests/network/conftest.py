"""Tracers whose home folders are empty at first."""

import shutil
from collections.abc import Callable

import pytest
from network.tracing import Tracer


@pytest.fixture(scope="session")
def make_tracer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Tracer]:
    def make() -> Tracer:
        assert shutil.which("strace"), "no strace found: apt-get install strace"
        home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("trace")
        return Tracer(home, folder)

    return make


@pytest.fixture(scope="session")
def tracer(make_tracer: Callable[[], Tracer]) -> Tracer:
    """Return the tracer that all commands share; a command finds the files that earlier ones left in its home."""
    return make_tracer()
