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
    └── MissingExtraError  a package of an extra that is not installed

Errors of other libraries are re-raised as one of these, `from` the original.
"""


class EdgernnError(Exception):
    """The root: catch this to catch everything that edgernn raises on purpose."""


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


class MissingExtraError(EdgernnError):
    """A package is not installed; the message is the `pip install` that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)  # as they came, so that it can go from one process to another

    def __str__(self) -> str:
        package, extra = self.args
        return f'{package} is not installed: pip install "edgernn[{extra}]"'


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line; its kind if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    # "in user code:" and a trace come before what TensorFlow has to say.
    line = lines[-1] if lines[0].endswith("in user code:") else lines[0]
    return printable(line)


def printable(text: str) -> str:
    """A text with ? for what a terminal would obey in place of showing it: names in files may be anything."""
    return "".join(character if character.isprintable() else "?" for character in text)
