"""Operating systems and processors to test on, and commands that run there."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
USER, USER_ID = "pi", 1000
HOME = Path("/home") / USER
ENVIRONMENT = HOME / "edge"  # virtual environment of edgernn
SHARED = Path("/mnt")  # place of the host's shared folder in a root
RESOLVER = Path("/etc/resolv.conf")
TIME_LIMIT_S = 600


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi as programs see it: its processor, in the fields of Linux's /proc/cpuinfo.

    Attributes:
        name: name of the board.
        cpu: QEMU's name of the processor.
        part: number of the core; `variant` and `revision` are its release (Arm's Technical Reference Manuals, register
            MIDR_EL1, or MIDR on 32-bit).
        features: features of the processor.
        architecture: version of Arm's architecture.
    """

    name: str
    cpu: str
    part: int
    variant: int
    revision: int
    features: str
    architecture: int = 8

    def cpuinfo(self) -> str:
        """Return the board's /proc/cpuinfo; with the host's, some emulated programs crash."""
        lines = (
            "BogoMIPS\t: 108.00",
            f"Features\t: {self.features}",
            "CPU implementer\t: 0x41",
            f"CPU architecture: {self.architecture}",
            f"CPU variant\t: {self.variant:#x}",
            f"CPU part\t: {self.part:#x}",
            f"CPU revision\t: {self.revision}",
        )
        # The number of processors must be that of /sys, which is the host's.
        return "".join("\n".join((f"processor\t: {number}", *lines, "", "")) for number in range(os.cpu_count() or 1))


PI_5 = Board(
    name="Raspberry Pi 5",
    cpu="cortex-a76",
    part=0xD0B,
    variant=4,
    revision=1,
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
)
PI_4 = Board(
    name="Raspberry Pi 4", cpu="cortex-a72", part=0xD08, variant=0, revision=3, features="fp asimd evtstrm crc32 cpuid"
)
# Zero 2 W has the same processor.
PI_3 = Board(
    name="Raspberry Pi 3", cpu="cortex-a53", part=0xD03, variant=0, revision=4, features="fp asimd evtstrm crc32 cpuid"
)
PI_2 = Board(
    name="Raspberry Pi 2",
    cpu="cortex-a7",
    part=0xC07,
    variant=0,
    revision=5,
    features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
    architecture=7,
)
# Pi 1 and Zero W have the same processor. Linux reports architecture 7 for it, because its MMU is one of ARMv7.
PI_ZERO = Board(
    name="Raspberry Pi Zero",
    cpu="arm1176",
    part=0xB76,
    variant=0,
    revision=7,
    features="half thumb fastmult vfp edsp java tls",
    architecture=7,
)


@dataclass(frozen=True)
class Root:
    """An operating system with its installed packages.

    Attributes:
        name: name of its folder.
        title: common name.
        architecture: Debian's name of the architecture.
        release: Debian's release, which Raspberry Pi OS uses, too.
        python: its version of Python.
        glibc: its minor version of glibc 2; wheels for older ones can be installed.
        wheel_architecture: name of the architecture in wheels.
        wheel: edgernn's wheel that is installed, a platform of runtime/native/build_native.py.
        extras: extras of edgernn.
        backends: backends of these extras.
        boards: boards whose processors are emulated; the first one for everything that does not depend on processors.
        packages: packages of Debian, beside Python.
        requirements: requirements of the extras that pip would leave out, because it evaluates markers for the host.
    """

    name: str
    title: str
    architecture: str
    release: str
    python: str
    glibc: int
    wheel_architecture: str
    wheel: str
    extras: tuple[str, ...]
    backends: tuple[str, ...]
    boards: tuple[Board, ...]
    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()

    @property
    def emulator(self) -> str:
        """QEMU's name of the architecture."""
        return {"arm64": "aarch64", "armhf": "arm", "armel": "arm"}[self.architecture]

    @property
    def platforms(self) -> list[str]:
        """Tags of the wheels that can be installed; manylinux_2_17 is the first in PEP 600."""
        return [f"manylinux_2_{minor}_{self.wheel_architecture}" for minor in range(self.glibc, 16, -1)] + [
            f"manylinux2014_{self.wheel_architecture}"
        ]

    @property
    def uses_debian_numpy(self) -> bool:
        """True if NumPy comes from Debian, not from a wheel."""
        return "python3-numpy" in self.packages


_trixie = partial(Root, release="trixie", python="3.13", glibc=41)
_bookworm = partial(Root, release="bookworm", python="3.11", glibc=36)
ROOTS = (
    _trixie(
        name="arm64-trixie",
        title="64-bit, trixie",
        architecture="arm64",
        wheel_architecture="aarch64",
        wheel="aarch64",
        extras=("litert", "onnx", "images", "report"),
        backends=("native", "litert", "onnxruntime"),
        boards=(PI_5, PI_4, PI_3),
    ),
    _bookworm(
        name="arm64-bookworm",
        title="64-bit, bookworm",
        architecture="arm64",
        wheel_architecture="aarch64",
        wheel="aarch64",
        extras=("litert", "onnx", "tflite", "images"),
        backends=("native", "litert", "onnxruntime", "tflite-runtime"),
        boards=(PI_5, PI_4),
        requirements=("tflite-runtime>=2.14", "numpy<2"),
    ),
    _bookworm(
        name="armhf-bookworm",
        title="32-bit, bookworm",
        architecture="armhf",
        wheel_architecture="armv7l",
        wheel="armv7l",
        extras=("tflite",),
        backends=("native", "tflite-runtime"),
        boards=(PI_2,),
        packages=("python3-numpy", "python3-pil"),
        requirements=("tflite-runtime>=2.14",),
    ),
    # Stands in for Raspbian, whose packages are built for ARMv6 with floating-point numbers in registers of the
    # floating-point unit. Debian has ARMv6 only with the calling convention of armel, which passes them in others.
    _bookworm(
        name="armel-bookworm",
        title="ARMv6, bookworm",
        architecture="armel",
        wheel_architecture="armv6l",
        wheel="armv6l-armel",
        extras=(),
        backends=("native",),
        boards=(PI_ZERO,),
        packages=("python3-numpy", "python3-pil"),
    ),
)

# Separate namespaces, so that nothing stays mounted and no process is left; with --net there is no network.
# The command is not process 1 there, because the signal of a crash does not end process 1.
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
_ENTER = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
while [ "$1" != "" ]; do
    [ -e "$root$2" ] || mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done
shift
env -i "$@"
"""


@dataclass(frozen=True)
class Device:
    """A root on this machine, with a board's processor.

    Attributes:
        root: the operating system.
        folder: folder of the root.
        board: board whose processor programs see.
        shared: folder of the host that the root has at SHARED.
        variables: environment variables, beside the usual ones.
    """

    root: Root
    folder: Path
    board: Board
    shared: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        words: Sequence[str | Path],
        *,
        user: str = USER,
        folder: Path = HOME,
        given: str | None = None,
        network: bool = False,
        emulator: Sequence[str | Path] = (),
        mounts: Mapping[Path, Path] | None = None,
        time_limit_s: int = TIME_LIMIT_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command; return its output and exit code.

        Args:
            words: the command; a name is looked up in the environment of edgernn first.
            user: user that runs it.
            folder: working folder in the root.
            given: standard input.
            network: True if the command has a network.
            emulator: emulator in the root that runs the command, in place of the one that Linux chooses; `words` must
                then begin with a path, and `folder` is ignored.
            mounts: further paths of the host, each with its place in the root.
            time_limit_s: time limit in seconds.

        Raises:
            subprocess.TimeoutExpired: the command took longer.
        """
        # The root's env, not the host's, finds the command in the root.
        inside: list[str | Path] = [*emulator, *words] if emulator else ["/usr/bin/env", f"--chdir={folder}", *words]
        with tempfile.TemporaryDirectory() as temporary:
            cpuinfo = Path(temporary) / "cpuinfo"
            cpuinfo.write_text(self.board.cpuinfo())
            places = {self.shared: SHARED, cpuinfo: Path("/proc/cpuinfo"), **(mounts or {})}
            if network:
                places[RESOLVER] = RESOLVER
            pairs = [str(path) for place in places.items() for path in place]
            chroot: list[str | Path] = [shutil.which("chroot") or "chroot", f"--userspec={user}", self.folder]
            enter: list[str | Path] = ["sh", "-c", _ENTER, "enter", self.folder, *pairs, "", *self._environment(user)]
            return subprocess.run(  # noqa: S603
                [*NAMESPACES, *([] if network else ["--net"]), *enter, *chroot, *inside],
                **({"stdin": subprocess.DEVNULL} if given is None else {"input": given}),
                capture_output=True,
                text=True,
                check=False,
                timeout=time_limit_s,
            )

    def _environment(self, user: str) -> list[str]:
        variables = {
            "HOME": str(HOME if user == USER else f"/{user}"),
            "USER": user,
            "PATH": f"{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "QEMU_CPU": self.board.cpu,
            **self.variables,
        }
        return [f"{name}={value}" for name, value in variables.items()]
