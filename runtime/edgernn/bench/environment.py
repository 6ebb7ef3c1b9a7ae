"""The machine that measures: its hardware and software, and its state before and after."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgernn.system.machine import processor_fields, processor_name, read_text

PACKAGES = (
    "edgernn",
    "numpy",
    "ai-edge-litert",
    "tflite-runtime",
    "tflite-micro",
    "onnxruntime",
    "tensorflow",
    "keras",
    "litert-quantizer",
    "tf2onnx",
    "onnx",
)
# Bits of `vcgencmd get_throttled` that report a slowed Raspberry Pi, now or since it was started:
# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
THROTTLED = {
    0: "undervoltage",
    1: "the clock was capped",
    2: "throttled",
    3: "the soft temperature limit",
    16: "undervoltage since it was started",
    17: "the clock was capped since it was started",
    18: "throttled since it was started",
    19: "the soft temperature limit since it was started",
}
_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")


def describe_machine() -> dict[str, Any]:
    """Return the facts about the machine that do not change during a measurement."""
    cpuinfo = processor_fields()
    return {
        "cpu": processor_name(),
        "flags": (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split(),
        "board": read_text(Path("/proc/device-tree/model")),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def look_at_machine() -> dict[str, Any]:
    """Return the state of the machine, which changes; None where the machine does not report it.

    load: mean number of running processes over the last minute; governor, frequency_mhz, highest_mhz: of the first
    core; temperature_c: of the warmest sensor; throttled: the bits of a Raspberry Pi's firmware.
    """
    return {
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # Windows has none
        "governor": read_text(_CPU / "scaling_governor"),
        "frequency_mhz": frequency_mhz(),
        "highest_mhz": _thousandth(read_text(_CPU / "cpuinfo_max_freq")),
        "temperature_c": _temperature(),
        "throttled": _throttled(),
    }


def throttled_reasons(bits: int) -> list[str]:
    """Return the meaning of the bits that a Raspberry Pi's firmware reports."""
    return [text for bit, text in THROTTLED.items() if bits >> bit & 1]


def describe(environment: Mapping[str, Any]) -> str:
    """Return the machine in one line: board, if known, processor, cores, Python."""
    parts = [str(environment["cpu"]), f"{environment['cores']} cores", f"Python {environment['python']}"]
    if environment["board"] and environment["board"] not in parts:
        parts.insert(0, environment["board"])
    return ", ".join(parts)


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def frequency_mhz() -> float | None:
    """Return the frequency of the first core in MHz; virtual machines report it in /proc/cpuinfo only."""
    frequency = _thousandth(read_text(_CPU / "scaling_cur_freq"))
    if frequency is not None:
        return frequency
    try:
        return float(processor_fields()["cpu MHz"])
    except (KeyError, ValueError):
        return None


def _temperature() -> float | None:
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    return max((celsius for zone in zones if (celsius := _thousandth(read_text(zone))) is not None), default=None)


def _throttled() -> int | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        return int(answer.stdout.strip().removeprefix("throttled="), 16)
    except (OSError, ValueError, subprocess.SubprocessError):  # a user outside the group `video` has no permission
        return None


def _thousandth(text: str | None) -> float | None:
    try:
        return int(text) / 1000 if text else None
    except ValueError:
        return None
