"""Packages that only some commands need: each belongs to an extra of the distribution."""

from importlib.util import find_spec

from edgernn.errors import MissingExtraError


def require(extra: str, *packages: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        MissingExtraError: one is not installed; the message is the `pip install` command for it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra)
