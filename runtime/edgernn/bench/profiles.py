"""Profiles: the devices that an artifact can be chosen for, with the backends that they have."""

from edgernn.backends import BACKENDS
from edgernn.errors import SettingError
from edgernn.records import record
from edgernn.suggestions import did_you_mean
from edgernn.system.extras import wheel_install


@record(frozen=True)
class Profile:
    """A kind of device.

    Attributes:
        name: as in `--for`.
        title: the device in a sentence.
        backends: names of the backends that run there.
        by_size: True if the size of the file decides before the time, because times measured here say nothing about
            the device, and its memory is small.
        machine: key of `edgernn.system.extras.NATIVE_WHEELS`; empty if edgernn cannot be installed there.
        compiles: True if C source comes before every file, because the device then needs no interpreter.
    """

    name: str
    title: str
    backends: tuple[str, ...]
    by_size: bool = False
    machine: str = ""
    compiles: bool = False

    def runs(self, suffix: str, quantization: str) -> bool:
        """Return True if every backend of the device that may read such a file runs it correctly.

        A file that a partial backend refuses goes to the next one.
        """
        readers = [
            info
            for info in BACKENDS
            if info.name in self.backends
            and info.suffix == suffix
            and not (info.is_partial and quantization in info.refuses)
        ]
        return bool(readers) and not any(quantization in (*info.misreads, *info.refuses) for info in readers)


# docs/raspberry-pi.md and docs/compatibility.md have the measurements behind this table.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile("pi5", "a Raspberry Pi 5", ("native", "litert", "onnxruntime"), machine="aarch64"),
        Profile("pi4", "a Raspberry Pi 4", ("native", "litert", "onnxruntime"), machine="aarch64"),
        Profile("pi3", "a Raspberry Pi 3", ("native", "litert", "onnxruntime"), machine="aarch64"),
        Profile("pi2", "a Raspberry Pi 2", ("native", "tflite-runtime"), machine="armv7l"),
        Profile("pizero", "a Raspberry Pi Zero", ("native",), machine="armv6l"),
        Profile("mcu", "a microcontroller", ("tflite-micro",), by_size=True, compiles=True),
        # ONNX Runtime Web reads the files of ONNX Runtime.
        Profile("browser", "a browser", ("onnxruntime",)),
    )
}


def install_command(artifact: str, backend: str, profile: Profile | None = None) -> str:
    """Return the `pip install` command for a device: edgernn's wheel, with an extra for files that native does not run.

    It is empty for a device without Python.

    Args:
        artifact: the name of its file.
        backend: what ran it here, with its version; native runs the same files on every machine.
        profile: the device; None for a 64-bit Raspberry Pi.
    """
    profile = profile or PROFILES["pi5"]
    if not profile.machine:
        return ""
    needs_extra = not backend.startswith("native ")
    readers = (info for info in BACKENDS if info.extra and info.name in profile.backends)
    extra = next((info.extra for info in readers if needs_extra and artifact.endswith(info.suffix)), "")
    return wheel_install(extra, profile.machine)


def profile_named(name: str) -> Profile:
    """Return the profile of this name.

    Raises:
        SettingError: there is none.
    """
    if name not in PROFILES:
        hint = did_you_mean(name, PROFILES)
        raise SettingError(f"unknown device {name!r}; expected one of {', '.join(PROFILES)}{hint}")
    return PROFILES[name]
