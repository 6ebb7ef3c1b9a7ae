"""The versions with which a page was measured."""

import platform
import sys
from importlib.metadata import version


def versions(*packages: str) -> dict[str, str]:
    """Return Python's version, the processor's architecture, and the packages' versions, by name."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, "machine": platform.machine()} | {package: version(package) for package in packages}
