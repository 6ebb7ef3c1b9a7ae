"""The processor's name."""

import platform
from pathlib import Path


def processor_name() -> str:
    """The processor's or the board's name, which Python itself does not know on Linux."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # On Arm a processor has no name there, but a Raspberry Pi says which one it is.
    return fields.get("model name") or fields.get("Model") or platform.processor() or "unknown processor"
