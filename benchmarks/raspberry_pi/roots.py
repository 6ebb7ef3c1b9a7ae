"""Which operating systems and processors there are to try, and a command run in one of them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
USER, USER_ID = "pi", 1000
HOME = Path("/home") / USER
ENVIRONMENT = HOME / "edge"  # the virtual environment that edgernn is installed into
SHARED = Path("/mnt")  # where a folder of the host lies in a root
RESOLVER = Path("/etc/resolv.conf")
TIME_LIMIT_S = 600


@dataclass(frozen=True)
class Board:
    """A Raspberry Pi as far as programs see one: its processor, as the fields of Linux's /proc/cpuinfo tell it.

    Attributes:
        name: what it is called.
        cpu: QEMU's name of its processor.
        part: the number of the core, with `variant` and `revision` of its release (Arm's Technical Reference Manuals,
            register MIDR_EL1, or MIDR on 32-bit).
        features: what it can do.
        architecture: Arm's version of it.
    """

    name: str
    cpu: str
    part: int
    variant: int
    revision: int
    features: str
    architecture: int = 8

    def cpuinfo(self) -> str:
        """What /proc/cpuinfo says on it; emulated programs read the host's otherwise, which makes some crash."""
        lines = (
            "BogoMIPS\t: 108.00",
            f"Features\t: {self.features}",
            "CPU implementer\t: 0x41",
            f"CPU architecture: {self.architecture}",
            f"CPU variant\t: {self.variant:#x}",
            f"CPU part\t: {self.part:#x}",
            f"CPU revision\t: {self.revision}",
        )
        # As many as /sys tells of, which is the host's.
        return "".join("\n".join((f"processor\t: {number}", *lines, "", "")) for number in range(os.cpu_count() or 1))


PI_5 = Board(
    "Raspberry Pi 5",
    "cortex-a76",
    0xD0B,
    4,
    1,
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
)
PI_4 = Board("Raspberry Pi 4", "cortex-a72", 0xD08, 0, 3, "fp asimd evtstrm crc32 cpuid")
PI_3 = Board("Raspberry Pi 3", "cortex-a53", 0xD03, 0, 4, "fp asimd evtstrm crc32 cpuid")  # Zero 2 W has the same
PI_2 = Board(
    "Raspberry Pi 2",
    "cortex-a7",
    0xC07,
    0,
    5,
    "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
    architecture=7,
)


@dataclass(frozen=True)
class Root:
    """An operating system, and what is installed on it.

    Attributes:
        name: of the folder it lies in.
        title: what people call it.
        architecture: Debian's name of it.
        release: Debian's, which Raspberry Pi OS takes over.
        python: the version it comes with.
        glibc: the minor version of glibc 2 it comes with; wheels for older ones can be installed.
        wheel_architecture: as wheels call it.
        extras: of edgernn.
        backends: which these extras bring.
        boards: whose processors are emulated; the first one for everything that is not about processors.
        packages: of Debian, beside Python.
        requirements: of the extras, where a marker that pip evaluates for the host would leave them out.
    """

    name: str
    title: str
    architecture: str
    release: str
    python: str
    glibc: int
    wheel_architecture: str
    extras: tuple[str, ...]
    backends: tuple[str, ...]
    boards: tuple[Board, ...]
    packages: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()

    @property
    def emulator(self) -> str:
        """QEMU's name of the architecture."""
        return {"arm64": "aarch64", "armhf": "arm"}[self.architecture]

    @property
    def platforms(self) -> list[str]:
        """The tags of the wheels that can be installed; PEP 600 has manylinux_2_17 as the first."""
        return [f"manylinux_2_{minor}_{self.wheel_architecture}" for minor in range(self.glibc, 16, -1)] + [
            f"manylinux2014_{self.wheel_architecture}"
        ]

    @property
    def uses_debian_numpy(self) -> bool:
        """Whether NumPy comes from Debian, not from a wheel."""
        return "python3-numpy" in self.packages


ROOTS = (
    Root(
        name="arm64-trixie",
        title="64-bit, trixie",
        architecture="arm64",
        release="trixie",
        python="3.13",
        glibc=41,
        wheel_architecture="aarch64",
        extras=("litert", "onnx", "images"),
        backends=("litert", "onnxruntime"),
        boards=(PI_5, PI_4, PI_3),
    ),
    Root(
        name="arm64-bookworm",
        title="64-bit, bookworm",
        architecture="arm64",
        release="bookworm",
        python="3.11",
        glibc=36,
        wheel_architecture="aarch64",
        extras=("litert", "onnx", "tflite", "images"),
        backends=("litert", "onnxruntime", "tflite-runtime"),
        boards=(PI_5, PI_4),
        requirements=("tflite-runtime>=2.14", "numpy<2"),
    ),
    Root(
        name="armhf-bookworm",
        title="32-bit, bookworm",
        architecture="armhf",
        release="bookworm",
        python="3.11",
        glibc=36,
        wheel_architecture="armv7l",
        extras=("tflite",),
        backends=("tflite-runtime",),
        boards=(PI_2,),
        packages=("python3-numpy", "python3-pil"),
        requirements=("tflite-runtime>=2.14",),
    ),
)

# In namespaces of its own, so that nothing stays mounted and no process is left; with --net there is no network.
# The command is not process 1 there: that one is not ended by the signal of its own crash.
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
        root: what it is.
        folder: where it lies.
        board: whose processor programs see.
        shared: a folder of the host that lies in it at SHARED.
        variables: of the environment, beside the usual ones.
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
        """Run a command; what it says and its exit code are the result, whatever they are.

        Args:
            words: the command; a name is looked for in the environment of edgernn first.
            user: who runs it.
            folder: where, in the root.
            given: its standard input.
            network: whether it can reach one.
            emulator: an emulator in the root that is to run it, in place of the one that Linux chooses; then `words`
                begin with a path, and `folder` does not count.
            mounts: what else of the host lies there, and where in the root.
            time_limit_s: how long it may take.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        # env is of the root, and emulated, too: a name is looked for there.
        inside: list[str | Path] = [*emulator, *words] if emulator else ["/usr/bin/env", f"--chdir={folder}", *words]
        with tempfile.TemporaryDirectory() as temporary:
            cpuinfo = Path(temporary) / "cpuinfo"
            cpuinfo.write_text(self.board.cpuinfo())
            places = {self.shared: SHARED, cpuinfo: Path("/proc/cpuinfo"), **(mounts or {})}
            if network:
                places[RESOLVER] = RESOLVER
            pairs = [str(path) for place in places.items() for path in place]
            chroot: list[str | Path] = [shutil.which("chroot") or "chroot", f"--userspec={user}", self.folder]
            enter: list[str | Path] = [
                "sh",
                "-c",
                _ENTER,
                "enter",
                self.folder,
                *pairs,
                "",
                *self._environment(user),
                *chroot,
            ]
            return subprocess.run(  # noqa: S603
                [*NAMESPACES, *([] if network else ["--net"]), *enter, *inside],
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
