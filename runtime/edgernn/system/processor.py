"""The processor's name."""

import platform
from pathlib import Path


def processor_name() -> str:
    """Return the name of the processor or the board; on Linux Python has no function for it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # On Arm the file has no processor name; a Raspberry Pi's has the name of the board.
    return fields.get("model name") or fields.get("Model") or platform.processor() or "unknown processor"
