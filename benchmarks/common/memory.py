"""Memory of a process, as Linux reports it."""

from pathlib import Path

from edgernn.system.machine import process_fields

# Names of Linux: physical memory now and at most, and address space.
RESIDENT, PEAK, ADDRESS_SPACE = "VmRSS", "VmHWM", "VmSize"


def memory_bytes(name: str = RESIDENT, process: int | str = "self") -> int:
    """Return a figure of a process, by default this one, in bytes; 0 after it has ended."""
    return int(process_fields(process).get(name, "0").split()[0]) << 10


def reset_peak() -> None:
    """Reset the peak memory of this process to the current use."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
