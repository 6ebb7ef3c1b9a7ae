"""Rows of numbers as programs and spreadsheets write them: one parser for CSV files and for lines on standard input.

The separator is found for each row: a semicolon, or else a tab, a comma, or spaces. In rows with semicolons or tabs a
comma is a decimal comma, as spreadsheets write it in most of Europe: `1,5;2,5` contains two numbers, and so do `1,5`
and `1.5,2.5`. A row with both decimal commas and decimal points is refused. Fields may be quoted. Before the first row
there may be remarks and the names of the columns.
"""

import re
from collections.abc import Sequence

from edgernn.errors import InputError, list_names
from edgernn.records import record

NAMES = {";": "semicolons", "\t": "tabs", ",": "commas", " ": "spaces"}
_COMMA_BY_SPACE = re.compile(r",\s|\s,")
_LIKE_A_NUMBER = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?:\d\d|\d+/\d+/\d+|\d\d?\.\d\d?\.\d\d", re.ASCII)
_SHOWN = 40
_SHOWN_NAMES = 12
_REMARK = re.compile(r'\s*"?(#|sep=.?"?\s*$)', re.IGNORECASE)


@record(frozen=True)
class Row:
    """Row of text, split into fields.

    Attributes:
        fields: texts of the fields, without quotes; numbers have decimal points.
        separator: separator of the fields: `;`, a tab, `,` or a space.
        decimal: `,` or `.`, as the numbers were written; empty if no number has a fraction, or if commas separate.
    """

    fields: list[str]
    separator: str
    decimal: str = ""

    @property
    def is_header(self) -> bool:
        """True if the row names columns: no field is a number."""
        return not any(_is_float(field) for field in self.fields)


def split_row(text: str) -> Row:
    """Split a row into fields.

    Raises:
        InputError: it has both decimal commas and decimal points, so its numbers are ambiguous.
    """
    if ";" in text:
        separator, fields = ";", text.split(";")
    elif "\t" in text and not _COMMA_BY_SPACE.search(text):
        separator, fields = "\t", text.split("\t")
        if any(len(field.split()) > 1 for field in fields) and '"' not in text:
            separator, fields = " ", text.split()
    elif "," in text:
        return Row([_bare(field) for field in text.split(",")], ",")
    else:
        fields = [_bare(field) for field in text.split()]
        # `sensor 0` is the name of one column.
        is_name = len(fields) > 1 and fields[0][:1].isalpha() and not _is_float(fields[0])
        return Row([_bare(text)] if is_name and any(map(_is_float, fields)) else fields, " ")
    fields = [_bare(field) for field in fields]
    numbers = [field for field in fields if _LIKE_A_NUMBER.fullmatch(field)]
    with_comma = next((field for field in numbers if "," in field), "")
    with_point = next((field for field in numbers if "." in field), "")
    if with_comma and with_point:
        raise InputError(
            f"{with_comma[:_SHOWN]!r} has a decimal comma, {with_point[:_SHOWN]!r} a decimal point; write all numbers "
            "with the same one, and without a separator between thousands"
        )
    if with_comma and separator != " ":
        fields = [field.replace(",", ".") if field in set(numbers) else field for field in fields]
    return Row(fields, separator, "," if with_comma else "." if with_point else "")


def is_remark(text: str) -> bool:
    """Return True if a line is a remark that begins with `#`, or names the separator like Excel's `sep=;`."""
    return bool(_REMARK.match(text))


def is_number(field: str) -> bool:
    """Return True if a field is a number in decimal digits; False for NaN, infinity and 1_000."""
    return bool(_NUMBER.fullmatch(field))


def hint(field: str) -> str:
    """Return advice for a message about a field that is not a number; empty if there is none."""
    return "; a time stamp is not a model input: omit that column" if _TIME.search(field) else ""


def name_column(header: Sequence[str], place: int) -> str:
    """Return the name of column `place`, counted from 0, for a message; empty if the header has none."""
    return f" in column {header[place][:_SHOWN]!r}" if place < len(header) else ""


def find_header_fault(header: Sequence[str], features: Sequence[str]) -> str:
    """Find the reason why a header does not fit the features of a model; empty if it does, or no names are known.

    Args:
        header: names of the columns.
        features: names of the model's features in the order of its input.
    """
    if not features or list(header) == list(features):
        return ""
    expected = f"the model takes {len(features)} columns, {_list(features)}"
    if len(header) != len(features):
        return f"{len(header)} columns, {_list(header)}; {expected}; {_advise_on_columns(header, features)}"
    place = next(place for place, pair in enumerate(zip(header, features, strict=True)) if pair[0] != pair[1])
    found = f"column {place + 1} is {header[place][:_SHOWN]!r}, expected {features[place]!r}"
    advice = "reorder the columns" if sorted(header) == sorted(features) else "rename or replace the column"
    return f"{found}; {expected}; {advice}"


def _advise_on_columns(header: Sequence[str], features: Sequence[str]) -> str:
    """Name the columns to add to a file or to leave out of it, so that it has those of the model."""
    missing = [name for name in features if name not in header]
    if missing:
        return f"add {_list(missing)}"
    extra = [(place, name) for place, name in enumerate(header, 1) if name not in features]
    if not extra:
        return "leave out the columns whose names occur again"
    place, name = extra[0]
    shown = repr(name[:_SHOWN]) if name else "which has no name"
    more = f", and {len(extra) - 1} more" if len(extra) > 1 else ""
    return f"leave out column {place}, {shown}{more}"


def _list(names: Sequence[str]) -> str:
    return list_names((repr(name[:_SHOWN]) for name in names), _SHOWN_NAMES)


def _bare(field: str) -> str:
    field = field.strip()
    return field[1:-1].strip() if len(field) > 1 and field[0] == field[-1] == '"' else field


def _is_float(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
