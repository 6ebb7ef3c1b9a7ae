"""Pages with generated parts, each between two marks."""

from pathlib import Path

from edgernn.errors import DataError
from edgernn.system.files import write_bytes


def marks(name: str) -> tuple[str, str]:
    """Return the marks before and after the generated part of this name."""
    return f"<!-- {name}: generated -->", f"<!-- {name}: until here -->"


def generated_part(page: Path, name: str) -> str:
    """Return the text between the two marks of this name.

    Raises:
        DataError: the page has no such marks.
    """
    return _split(page, name)[1].strip("\n")


def fill_in(page: Path, name: str, text: str) -> Path:
    """Put generated text between the two marks of this name in the page; return the page.

    Raises:
        DataError: the page has no such marks.
    """
    begin, end = marks(name)
    before, _, after = _split(page, name)
    lines = text.strip("\n")
    write_bytes(page, f"{before}{begin}\n\n{lines}\n\n{end}{after}".encode())
    return page


def preformatted(text: str) -> str:
    """Indent lines, so that Markdown shows them as they are; drop empty lines around them."""
    lines = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
    return lines.strip("\n")


def _split(page: Path, name: str) -> tuple[str, str, str]:
    begin, end = marks(name)
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    part, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise DataError(f"{page}: no marks {begin} and {end}; add both where the generated part belongs")
    return before, part, after
