"""TensorFlow without its messages on the terminal, and without a network socket; this module does not import it.

Every import of TensorFlow or Keras stands inside `quiet_tensorflow()`.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from edgernn.system.caches import move_library_folders
from edgernn.system.quiet import standard_error_aside

# Errors are Python exceptions; the other log messages (no CUDA driver, the CPU's instructions) do not help the user.
# Level 3 logs only errors that end the process.
_LOG_LEVEL = "3"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Import TensorFlow and Keras in this block without their messages on standard error.

    The libraries log while they are loaded, before they read the log level, so the file descriptor is redirected in
    the block. If the import fails, the messages are shown. If TensorFlow and Keras are loaded already, nothing is done.
    """
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _LOG_LEVEL)
    # Keras may be set to another backend on this machine; the models here are TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    move_library_folders()
    # TensorFlow's Python code warns of repeated tracing, which several models in one process always cause.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with standard_error_aside(), _no_network_probe():
        yield


@contextmanager
def _no_network_probe() -> Iterator[None]:
    """Import libraries in this block without a socket.

    TensorFlow imports requests and so urllib3, which binds an IPv6 socket to test for IPv6.
    """
    name = "urllib3.util.connection"
    if name in sys.modules:
        yield
        return
    has_ipv6, socket.has_ipv6 = socket.has_ipv6, False
    try:
        yield
    finally:
        socket.has_ipv6 = has_ipv6
        if name in sys.modules:  # for the program's own requests
            sys.modules[name].HAS_IPV6 = has_ipv6  # type: ignore[attr-defined]
