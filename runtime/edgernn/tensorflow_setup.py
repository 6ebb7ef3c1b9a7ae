"""TensorFlow without its messages on the terminal, and without a network socket; this module does not import it.

Every import of TensorFlow or Keras stands inside `quiet_tensorflow()`.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from edgernn.caches import move_library_folders
from edgernn.quiet import standard_error_aside

# Errors reach us as Python exceptions; what is logged beside them (no CUDA driver, the CPU's instructions)
# is of no use to the user. Level 3 logs only what ends the process.
_LOG_LEVEL = "3"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Import TensorFlow and Keras in this block without their messages on standard error.

    Its libraries log while they are loaded, before they read the level they should log at, so the file
    descriptor itself is redirected meanwhile. When the import fails, the messages are shown. If TensorFlow and Keras
    are loaded already, nothing is done.
    """
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _LOG_LEVEL)
    # Keras may be set to another backend on this machine; the models here are TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    move_library_folders()
    # Its Python half warns of functions traced again, which several models in one process always bring.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with standard_error_aside(), _no_network_probe():
        yield


@contextmanager
def _no_network_probe() -> Iterator[None]:
    """Import libraries in this block without a socket.

    TensorFlow imports requests, and with it urllib3, which binds an IPv6 socket to find out whether there is IPv6.
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
