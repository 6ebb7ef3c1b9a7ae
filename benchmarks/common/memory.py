"""Memory of a process, as Linux reports it."""

from pathlib import Path

# Names of Linux: physical memory now and at most, and address space.
RESIDENT, PEAK, ADDRESS_SPACE = "VmRSS", "VmHWM", "VmSize"


def memory_bytes(name: str = RESIDENT, process: int | str = "self") -> int:
    """Return a figure of a process, by default this one, in bytes; 0 after it has ended."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0


def reset_peak() -> None:
    """Reset the peak memory of this process to the current use."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
