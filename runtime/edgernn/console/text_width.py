"""Width of text on a terminal: Chinese, Japanese and Korean characters take two columns, combining marks none."""

import unicodedata


def width_of(text: str) -> int:
    """Return the number of columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def left_aligned(text: str, width: int) -> str:
    """Return a text with spaces behind it, up to a number of columns."""
    return text + " " * (width - width_of(text))


def right_aligned(text: str, width: int) -> str:
    """Return a text with spaces in front of it, up to a number of columns."""
    return " " * (width - width_of(text)) + text


def beginning(text: str, width: int) -> str:
    """Return as many of a text's first characters as fit into a number of columns."""
    if text.isascii():
        return text[:width]
    taken = 0
    for place, each in enumerate(text):
        taken += _columns(each)
        if taken > width:
            return text[:place]
    return text


def shortened(text: str, width: int) -> str:
    """Return a text, cut at its end and marked with "…" if it takes more than a number of columns."""
    return text if width_of(text) <= width else f"{beginning(text, width - 1)}…"


def cut_in_the_middle(text: str, width: int) -> str:
    """Return a text, with "…" in place of its middle if it takes more than a number of columns."""
    if width_of(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{beginning(text, half)}…{beginning(text[::-1], half)[::-1]}"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
