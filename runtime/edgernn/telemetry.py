"""Telemetry of other libraries, switched off before they are imported."""

import os


def disable_telemetry() -> None:
    """Switch the telemetry of ONNX Runtime off, in this process and in those that it starts.

    Its wheels from version 1.32 on look a collector up by DNS, write a device identifier under ~/.cache, and files
    into the temporary folder. The environment variable is read when the library is imported, so this is too late for
    a program that imported it before.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
