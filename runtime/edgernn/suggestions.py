"""Suggestions for mistyped names."""

from collections.abc import Iterable

# Lowest similarity of a suggestion, as `difflib` measures it from 0 to 1: "exprt" and "export" have 0.91.
_MIN_SIMILARITY = 0.5


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ". Did you mean 'export'?", to end a message about a mistyped name; empty if no known name is similar.

    Args:
        name: as the user wrote it.
        known: the names that exist.
    """
    from difflib import get_close_matches  # late: a run without errors does not need it

    near = get_close_matches(name, list(known), n=1, cutoff=_MIN_SIMILARITY)
    return f". Did you mean {near[0]!r}?" if near else ""
