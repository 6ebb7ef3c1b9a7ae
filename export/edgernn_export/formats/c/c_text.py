"""C text: functions, constant arrays, comments and string literals."""

from collections.abc import Iterable, Sequence

from edgernn_export.formats.c.emitter import C_TYPES, Constant
from edgernn_export.formats.c.layout import Array

_WIDTH = 110


def function_text(signature: str, scratch: Iterable[Array], lines: Sequence[str]) -> str:
    """Return the definition of a function, from its scratch arrays and statements."""
    arrays = [f"    {C_TYPES[each.type]} {each.name}[{each.elements}];" for each in scratch]
    return "\n".join([signature, "{", *arrays, *(f"    {line}" for line in lines), "}"]) + "\n"


def constant_text(each: Constant) -> str:
    """Return the definition of a constant array."""
    rows = [each.numbers]
    if each.columns:
        rows = [each.numbers[start : start + each.columns] for start in range(0, len(each.numbers), each.columns)]
    dimensions = f"[{len(rows)}][{each.columns}]" if each.columns else f"[{len(each.numbers)}]"
    lines = [f"static const {each.type} {each.name}{dimensions} = {{"]
    for row in rows:
        texts = _wrapped(row)
        if each.columns:
            texts = [f"{{{texts[0]}", *(f" {text}" for text in texts[1:])]
            texts[-1] = f"{texts[-1].rstrip(',')}}},"
        lines += [f"    {text}" for text in texts]
    return "\n".join([*lines, "};"])


def _wrapped(numbers: Sequence[str]) -> list[str]:
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) > _WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += f"{number}, "
    return [*lines, line.rstrip()]


def in_comment(text: str) -> str:
    r"""Return text that neither ends nor begins a C comment; in JSON, "\/" means "/"."""
    return text.replace("*/", "*\\/").replace("/*", "\\/*")


def string_literal(text: str) -> str:
    """Return a C string literal of UTF-8 bytes; all but printable ASCII characters are written as octal numbers."""
    plain = (
        chr(each) if 32 <= each < 127 and chr(each) not in '"\\?' else f"\\{each:03o}" for each in text.encode("utf-8")
    )
    return f'"{"".join(plain)}"'
