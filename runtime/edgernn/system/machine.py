"""Facts that Linux reports in /proc: the processor, the memory of a process, the time that cores were busy."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Physical memory of a process, Python and libraries included.

    Attributes:
        steady_bytes: now; `bench` asks after some rounds of answers.
        peak_bytes: the maximum since the process was started.
    """

    steady_bytes: int
    peak_bytes: int


def processor_fields() -> Mapping[str, str]:
    """Return the fields of /proc/cpuinfo, of the last processor that it lists; empty without such a file."""
    return _fields("cpuinfo")


def processor_name() -> str:
    """Return the name of the processor, or of the board: Arm processors have no name on Linux."""
    fields = processor_fields()
    return fields.get("model name") or fields.get("Model") or platform.processor() or "unknown processor"


def process_fields(process: int | str = "self") -> Mapping[str, str]:
    """Return the fields of /proc/PROCESS/status, by default of this process; empty without such a file."""
    return _fields(f"{process}/status")


def own_memory() -> Memory | None:
    """Return the memory of this process, now and at most; None where the operating system does not report it."""
    fields = process_fields()
    try:
        steady, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    except KeyError:
        return None
    return Memory(steady, peak)


def busy_seconds() -> float | None:
    """Return the seconds, summed over cores, that were busy or used by the host since the machine was started.

    None without /proc/stat; its columns: https://docs.kernel.org/filesystems/proc.html
    """
    ticks = (read_text(_PROC / "stat") or "").partition("\n")[0].split()[1:]
    if len(ticks) < 8:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Return the part of `busy_seconds` that this process and its ended children used."""
    return sum(os.times()[:4])


def read_text(file: Path) -> str | None:
    """Return the text of a file of the kernel; None if it is missing, empty or unreadable."""
    try:
        return file.read_text(encoding="utf-8").strip("\0\n ") or None
    except (OSError, UnicodeDecodeError):
        return None


def _fields(name: str) -> dict[str, str]:
    lines = (read_text(_PROC / name) or "").splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
