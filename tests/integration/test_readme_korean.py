"""README.ko.md says what README.md says: its headings, code, figures and links are the same, section by section."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, KOREAN = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
LANGUAGES = re.compile(r"\A(# edgernn\n)\n\[\S+\]\(README\S*\.md\)\n")  # each page links to the other one
FIGURE = re.compile(r"\d[\d,.:+-]*\d|\d")
COMMENT = re.compile(r" *(?:^|(?<= ))# .*$", re.M)


def sections(page: str) -> list[tuple[str, str]]:
    """Return the level of each heading, as number signs, and the text below it."""
    parts = re.split(r"^(#+) .*\n", LANGUAGES.sub(r"\1", page), flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def code(section: str) -> str:
    """Return the lines of code, indented or between fences, without comments: those are translated."""
    lines, fenced = [], False
    for line in section.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(COMMENT.sub("", line))
    return "\n".join(lines)


def figures(section: str) -> Counter[str]:
    return Counter(FIGURE.findall(section))


def names(section: str) -> Counter[str]:
    """Return what stands in back quotes, outside of code blocks."""
    return Counter(re.findall(r"`([^`\n]+)`", re.sub(r"^(?:```.*?^```|    .*?)$", "", section, flags=re.M | re.S)))


def links(section: str) -> Counter[str]:
    return Counter(re.findall(r"\]\(([^)]+)\)", section))


def test_both_have_the_same_sections() -> None:
    assert [level for level, _ in sections(KOREAN)] == [level for level, _ in sections(ENGLISH)]


@pytest.mark.parametrize("part", [code, figures, names, links])
def test_each_section_has_the_same(part: Callable[[str], object]) -> None:
    for (_, english), (_, korean) in zip(sections(ENGLISH), sections(KOREAN), strict=True):
        assert part(korean) == part(english)
        assert part(english)


def test_each_page_names_the_other_first() -> None:
    assert ENGLISH.startswith("# edgernn\n\n[한국어](README.ko.md)\n")
    assert KOREAN.startswith("# edgernn\n\n[English](README.md)\n")
