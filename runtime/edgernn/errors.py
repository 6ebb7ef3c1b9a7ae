"""Errors that edgernn raises on purpose; the text of each is one line.

The tree::

    EdgernnError
    ├── DataError          a data set, a picture or an array that cannot be used
    │   └── InputError     an input that does not fit the model it is given to
    ├── ArtifactError      an artifact that cannot be read, or is not what it says
    │   └── NoStepError    an artifact that only answers whole sequences is asked to stream
    ├── ModelError         a Keras model that cannot be read or is not supported
    ├── ExportError        a conversion that failed, or an artifact that did not pass its proof
    │   └── UnsupportedError   a kind of artifact that this model cannot have
    │       └── UnknownOperatorError   an operator that no program can have, in no number type
    ├── SettingError       a setting that cannot be used, such as training for 0 epochs
    ├── OutputError        a file or a folder that cannot be written
    │   └── LockedError    another process writes there
    └── MissingExtraError  a package of an extra that is not installed

There is one warning, a `UserWarning`, which Python's `warnings` can turn off or into an error::

    InputWarning           an input is far outside of the range that the model was calibrated on

Errors of other libraries are re-raised as one of these, `from` the original. Messages quote file names, labels and
contents of files, so the root makes every text printable, one line long, and of bounded length.
"""

from collections.abc import Iterable
from itertools import islice

# Letters and marks without width on a terminal: with them, two names look alike. `str.isprintable` accepts them.
_INVISIBLE = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
# Persian and Indic words and many emoji contain these two, so names may contain them.
_JOINERS = "\u200c\u200d"


# A file may contain 60,000 names. The advice is at the end of a message, so the middle is left out.
_MAX_BEGINNING, _MAX_END = 1_500, 500


class EdgernnError(Exception):
    """Root of the tree: catch this to catch every error that edgernn raises on purpose."""

    def __str__(self) -> str:
        return _shortened(printable(super().__str__()))


class DataError(EdgernnError):
    """A data set, a picture or an array cannot be used."""


class InputError(DataError):
    """An input does not fit the model that it is given to: shape, type, NaN or infinity."""


class InputWarning(UserWarning):
    """An input is far outside of the range that the model was calibrated on, as in other units."""


class ArtifactError(EdgernnError):
    """An artifact cannot be read, or is not what its card says."""


class NoStepError(ArtifactError):
    """The artifact has no step: it only answers whole sequences."""


class ModelError(EdgernnError):
    """A Keras model cannot be read, or contains something that is not supported."""


class ExportError(EdgernnError):
    """A conversion failed, or its artifact did not pass the proof."""


class SettingError(EdgernnError):
    """A setting cannot be used."""


class UnsupportedError(ExportError):
    """This model cannot have an artifact of this kind."""


class UnknownOperatorError(UnsupportedError):
    """A program cannot have this operator, whatever the type of its numbers."""


class OutputError(EdgernnError):
    """A file or a folder cannot be written."""


class LockedError(OutputError):
    """Another process writes there."""


class MissingExtraError(EdgernnError):
    """A package is not installed; the message is the `pip install` command for it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)  # the arguments as given, so that it can be pickled

    def __str__(self) -> str:
        from edgernn.system.extras import pip_install  # late: it imports this module

        package, extra = self.args
        return f"{package} is not installed: {pip_install(extra)}"


def first_line(error: BaseException) -> str:
    """Return the message of another library's error in one line; the error's type if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # TensorFlow puts "in user code:" and a trace before its message.
    line = lines[-1] if lines[0].endswith("in user code:") else lines[0]
    return printable(line)


def list_names(names: Iterable[str], limit: int = 8) -> str:
    """Join names by commas for a message; of more than `limit`, only the first ones and an ellipsis."""
    shown = list(islice(names, limit + 1))
    return ", ".join(shown[:limit]) + (", …" if len(shown) > limit else "")


def printable(text: str) -> str:
    r"""Escape characters that a terminal obeys or does not show, as `\x1b` or `\u202e`.

    Names in files may contain anything. Escaped are control, bidirectional and zero-width characters, line breaks, and
    code points that are not characters.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if _is_shown(each) else each.encode("unicode_escape").decode() for each in text)


def find_unusable(text: str) -> str:
    """Find the first character that labels and names must not contain; return it escaped, or an empty text.

    These are control, format (bidirectional, zero-width) and line separator characters, and halves of surrogate pairs.
    Joiners, and characters newer than this Python's Unicode, are allowed; on a terminal they are escaped.
    """
    import unicodedata  # late: a run without errors does not need it

    found = (each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    return printable(next((each for each in found if each not in _JOINERS), ""))


def _shortened(text: str) -> str:
    left_out = len(text) - _MAX_BEGINNING - _MAX_END
    return text if left_out <= 0 else f"{text[:_MAX_BEGINNING]} … ({left_out:,} more) … {text[-_MAX_END:]}"


def _is_shown(character: str) -> bool:
    import re
    import unicodedata

    is_space = unicodedata.category(character) == "Zs"
    return (character.isprintable() or is_space) and not re.match(_INVISIBLE, character)
