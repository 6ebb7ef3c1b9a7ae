"""Every error that edgernn raises on purpose; all have one line to show a person.

The tree::

    EdgernnError
    ├── DataError          a data set, a picture or an array that cannot be used
    │   └── InputError     an input that does not fit the model it is given to
    ├── ArtifactError      an artifact that cannot be read, or is not what it says
    │   └── NoStepError    an artifact that only answers whole sequences is asked to stream
    ├── ModelError         a Keras model that cannot be read or is not supported
    ├── ExportError        a conversion that failed, or an artifact that did not pass its proof
    │   └── UnsupportedError   an artifact that there cannot be of this model
    ├── SettingError       a setting that cannot be, such as training for 0 epochs
    ├── OutputError        a file or a folder that cannot be written
    │   └── LockedError    another process writes there
    └── MissingExtraError  a package of an extra that is not installed

Errors of other libraries are re-raised as one of these, `from` the original. Messages quote file names, labels and
what files hold, so an error's text is always printable, on one line, and of bounded length: the root sees to it.
"""

# Letters and marks that take no room on a terminal, so that two names look alike; `str.isprintable` lets them pass.
_INVISIBLE = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
# Persian and Indic words and many emoji are spelled with these two, so names may hold them.
_JOINERS = "\u200c\u200d"


# A file may hold 60,000 names. What to do stands at the end of a message, so the middle is left out.
_MAX_BEGINNING, _MAX_END = 1_500, 500


class EdgernnError(Exception):
    """Root of the tree: catch this to catch every error that edgernn raises on purpose."""

    def __str__(self) -> str:
        return _shortened(printable(super().__str__()))


class DataError(EdgernnError):
    """A data set, a picture or an array cannot be used."""


class InputError(DataError):
    """An input does not fit the model that it is given to: shape, type, NaN or infinity."""


class ArtifactError(EdgernnError):
    """An artifact cannot be read, or is not what its card says."""


class NoStepError(ArtifactError):
    """The artifact has no step: it only answers whole sequences."""


class ModelError(EdgernnError):
    """A Keras model cannot be read, or holds something that is not supported."""


class ExportError(EdgernnError):
    """A conversion failed, or its artifact did not pass the proof."""


class SettingError(EdgernnError):
    """A setting is not one that can be used."""


class UnsupportedError(ExportError):
    """There cannot be such an artifact of this model."""


class OutputError(EdgernnError):
    """A file or a folder cannot be written."""


class LockedError(OutputError):
    """Another process writes there."""


class MissingExtraError(EdgernnError):
    """A package is not installed; the message is the `pip install` that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)  # as they came, so that it can go from one process to another

    def __str__(self) -> str:
        package, extra = self.args
        return f'{package} is not installed: pip install "edgernn[{extra}]"'


def first_line(error: BaseException) -> str:
    """Message of another library's error in one line; the error's type if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # "in user code:" and a trace come before what TensorFlow has to say.
    line = lines[-1] if lines[0].endswith("in user code:") else lines[0]
    return printable(line)


def printable(text: str) -> str:
    r"""Escape characters that a terminal obeys or does not show, as `\x1b` or `\u202e`.

    Names in files may hold anything. Escaped are control, bidirectional and zero-width characters, line breaks, and
    code points that are no character.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if _is_shown(each) else each.encode("unicode_escape").decode() for each in text)


def is_printable(text: str) -> bool:
    """True if `printable` leaves the text as it is."""
    return printable(text) == text


def find_unusable(text: str) -> str:
    """Find the first character that labels and names must not hold; returns it escaped, or an empty text.

    These are control, format (bidirectional, zero-width) and line separator characters, and halves of surrogate pairs.
    Joiners, and characters newer than this Python's Unicode, are allowed; on a terminal they are escaped.
    """
    import unicodedata  # late: a start without an error needs none

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
