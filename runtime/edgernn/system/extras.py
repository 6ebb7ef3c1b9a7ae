"""Packages that only some commands need: each belongs to an extra of the distribution."""

import platform
import re
import sys

from edgernn import __version__
from edgernn.errors import MissingExtraError

# The file that `make wheel` builds.
WHEEL = f"edgernn-{__version__}-py3-none-any.whl"
# Those with native kernels, that `make wheels` builds, by machine as `uname -m` prints it.
NATIVE_WHEELS = {
    machine: f"edgernn-{__version__}-cp311-abi3-{tag}.whl"
    for machine, tag in (
        ("x86_64", "manylinux_2_17_x86_64"),
        ("aarch64", "manylinux_2_17_aarch64"),
        ("armv7l", "linux_armv7l"),
        ("armv6l", "linux_armv6l"),
    )
}


def is_64_bit() -> bool:
    """Return True if Python is a 64-bit program, for which more wheels exist; its system's kernel may be another."""
    return sys.maxsize > 1 << 32


def native_machine() -> str:
    """Return the key of `NATIVE_WHEELS` for this Python; empty if there is none."""
    machine = platform.machine()
    if not is_64_bit():  # its kernel and its processor may have 64 bits
        machine = "armv7l" if machine in ("aarch64", "armv8l") else machine
    fits = machine in NATIVE_WHEELS and is_64_bit() == machine.endswith("64")
    return machine if fits and sys.platform == "linux" else ""


def require(extra: str, *packages: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtraError: one is not installed; the message is the `pip install` command for it.
    """
    from importlib.util import find_spec  # late: loading an artifact does not need it

    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra)


def wheel_install(extra: str = "", machine: str = "") -> str:
    """Return the `pip install` command for edgernn's wheel, for where edgernn is not installed.

    Args:
        extra: name of an extra; empty for none.
        machine: key of `NATIVE_WHEELS`; empty for the wheel without native kernels.
    """
    wheel = NATIVE_WHEELS.get(machine, WHEEL)
    return f'pip install "{wheel}[{extra}]"' if extra else f"pip install {wheel}"


def pip_install(extra: str) -> str:
    """Return the `pip install` command for the packages of an extra.

    The command names the packages, from the metadata of the installed edgernn: they are on the package index, and
    edgernn is already here. Without metadata, as in a checkout that is not installed, it names the wheel.
    """
    # Late: an error is rare, and this import takes as long as that of edgernn.
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("edgernn") or []
    except PackageNotFoundError:
        lines = []
    # Such as: numpy<2; (python_version < '3.12') and extra == 'tflite'
    found = [re.match(rf"([^;]+?)\s*;.*\bextra == ['\"]{extra}['\"]", line) for line in lines]
    packages = " ".join(f'"{each[1]}"' for each in found if each)
    return f"pip install {packages}" if packages else wheel_install(extra)
