"""Keeps the chatter of native libraries off the terminal: they write to the file descriptor, past Python."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from edgernn.errors import EdgernnError


@contextmanager
def standard_error_aside() -> Iterator[TextIO]:
    """Lead file descriptor 2 elsewhere meanwhile; what was written is shown only after an unforeseen error.

    For commands, not for a library: it takes the standard error of the whole process, other threads
    included. Gives a stream to the real one, for progress.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log, os.fdopen(os.dup(kept), "w", buffering=1, encoding="utf-8") as stream:
        os.dup2(log.fileno(), 2)
        try:
            yield stream
        except EdgernnError:  # says itself what is wrong
            raise
        except BaseException:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
