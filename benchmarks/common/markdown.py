"""Markdown for the pages that benchmarks write."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """Return a Markdown table; with `numbers` all columns except the first are aligned as numbers."""
    lines = [heads, ["---", *["---:" if numbers else "---"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Reasons:
    """Numbered reasons; equal reasons share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        """Return the number of a reason."""
        return self._numbers.setdefault(reason, len(self._numbers) + 1)

    def lines(self) -> list[str]:
        """Return the lines of all reasons, in the order of their numbers."""
        return [f"{number}. {reason}" for reason, number in self._numbers.items()]
