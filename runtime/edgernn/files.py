"""Files: checked before they are read; written whole or not at all, never half."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgernn.errors import EdgernnError, OutputError


def check_file(path: Path, refusal: type[EdgernnError], max_bytes: int) -> None:
    """Check that a path is a file worth opening.

    Only a regular file has a size to trust; a device or a pipe might never end.

    Raises:
        EdgernnError: it is missing, empty, not a file, or larger than `max_bytes`; of the type `refusal`.
    """
    try:
        if not path.is_file():
            raise refusal(f"{path}: {_what_it_is(path)}")
        size = path.stat().st_size
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror or error}") from error
    if not size:
        raise refusal(f"{path}: the file is empty")
    if size > max_bytes:
        raise refusal(f"{path}: {size:,} bytes, more than the {max_bytes:,} that are read")


def _what_it_is(path: Path) -> str:
    if not path.exists():
        return "no such file"
    if path.is_dir():
        return "a folder and not a file"
    return "a pipe and not a file" if path.is_fifo() else "a device and not a file"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that takes its place when the block ends well.

    The temporary file has the suffix of `target` and is gone after an error.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    import tempfile  # late, with all that comes with it: a device that predicts writes nothing

    make_folder(target.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(target, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target`, whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_bytes(data)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as JSON that a person can read too."""
    write_bytes(target, (to_json(value, indent=2) + "\n").encode())


def to_json(value: Any, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """JSON that every reader takes and no terminal obeys: printable ASCII, and null for NaN and infinity."""
    try:
        text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), indent=indent, separators=separators, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # the one control character that json.dumps leaves as it is


def make_folder(folder: Path) -> None:
    """Make `folder` and what leads to it, if it is not there.

    Raises:
        OutputError: it cannot be made, or cannot be written into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write into {folder}: no permission; choose another with --out")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {target}: {error.strerror or error}")


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
