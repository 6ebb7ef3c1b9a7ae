"""Telemetry of other libraries, switched off before they are imported."""

import os


def disable_telemetry() -> None:
    """Switch the telemetry of ONNX Runtime off, in this process and in those that it starts.

    With telemetry on, its wheels from version 1.32 on look up a collector by DNS and write a device identifier under
    ~/.cache and files into the temporary folder. The library reads the environment variable when it is imported, so
    this has no effect if the program imported the library before edgernn.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
