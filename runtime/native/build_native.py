"""Compile runtime/native/*.c into the extension edgernn._native, for this machine or for another machine's wheel.

The compiler is zig's C compiler, from the package ziglang. It also compiles for other processors, and for an old glibc.
`make native` calls `main`; hatchling calls `NativeBuildHook` for every wheel.
"""

import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Environment variable with a key of `TARGETS` or `STAND_INS`: the wheel then contains the extension for this machine.
VARIABLE = "EDGERNN_WHEEL_PLATFORM"
SOURCES = Path(__file__).parent
ROOT = SOURCES.parents[1]
NAME = "_native.abi3.so"
# Path from which Python imports the extension in a checkout.
IN_CHECKOUT = ROOT / "runtime" / "edgernn" / NAME

# -ffp-contract=off: a fused multiply-add rounds once instead of twice, which would change answers.
FLAGS = [
    *("-std=c99", "-O3", "-ffp-contract=off", "-fPIC"),
    *("-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"),
    # Unwind tables would be 5 % of the extension, and nothing unwinds the stack.
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"),
]
# plan.c runs once for each file, so it is compiled for size: its code is 40 % smaller.
SMALL_FLAGS = {"plan": ["-Os"]}
# Python 3.11, the oldest that edgernn supports.
PYTHON_FLAGS = ["-DPy_LIMITED_API=0x030B0000"]
LINK_FLAGS = ["-O3", "-shared", "-s", "-Wl,--gc-sections", "-lm"]


class NativeBuildError(Exception):
    """The extension cannot be built here; the message gives the reason in one line."""


class CompilerError(Exception):
    """The compiler failed; the message is its command and its output."""


@dataclass(frozen=True)
class NativeTarget:
    """A kind of machine.

    Attributes:
        triple: zig's name of the processor, the system and the oldest glibc.
        tag: platform tag of the wheel.
        flags: flags for the oldest processor, for all files except those of `kernels`.
        kernels: flags of kernels_NAME.c, for each instruction set NAME of this processor family.
        bits: 64 or 32.
    """

    triple: str
    tag: str
    flags: str
    kernels: dict[str, str]
    bits: int = 64


AVX512 = "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni"
# zig takes -mcpu=NAME+FEATURE-FEATURE in place of -march and -mfpu.
TARGETS = {
    "x86_64": NativeTarget(
        triple="x86_64-linux-gnu.2.17",
        tag="manylinux_2_17_x86_64",
        flags="-mcpu=x86_64",
        kernels={
            "avx2": "-mcpu=x86_64 -mavx2 -mfma",
            "avxvnni": "-mcpu=x86_64 -mavx2 -mfma -mavxvnni",
            "avx512vnni": f"-mcpu=x86_64 {AVX512}",
        },
    ),
    "aarch64": NativeTarget(
        triple="aarch64-linux-gnu.2.17",
        tag="manylinux_2_17_aarch64",
        flags="-mcpu=generic",
        kernels={"neon": "-mcpu=generic", "neondot": "-mcpu=generic+dotprod"},
    ),
    "armv7l": NativeTarget(
        triple="arm-linux-gnueabihf.2.17",
        tag="linux_armv7l",
        flags="-mcpu=generic+v7a-neon-d32",
        kernels={"neon": "-mcpu=generic+v7a"},
        bits=32,
    ),
    # The processor of Raspberry Pi 1, Zero and Zero W.
    "armv6l": NativeTarget(
        triple="arm-linux-gnueabihf.2.17", tag="linux_armv6l", flags="-mcpu=arm1176jzf_s", kernels={}, bits=32
    ),
}
# For `make test-pi`, which runs Debian, not for a device. Debian has no packages for ARMv6 whose functions take floats
# in registers of the floating-point unit. Here they take them in others; the rest is the code of armv6l.
STAND_INS = {
    "armv6l-armel": replace(
        TARGETS["armv6l"],
        triple="arm-linux-gnueabi.2.17",
        flags=f"{TARGETS['armv6l'].flags} -mfloat-abi=softfp",
    )
}
INSTRUCTION_SETS = {name for target in TARGETS.values() for name in target.kernels}


def find_target(machine: str) -> NativeTarget:
    """Return the entry of `TARGETS` or `STAND_INS`.

    Raises:
        NativeBuildError: there is none.
    """
    if machine not in TARGETS and machine not in STAND_INS:
        raise NativeBuildError(f"unknown platform {machine!r}; expected one of {', '.join(TARGETS)}")
    return {**TARGETS, **STAND_INS}[machine]


def build(machine: str, folder: Path) -> Path:
    """Compile the extension and return its path in the folder.

    Args:
        machine: one of `TARGETS` or `STAND_INS`.
        folder: folder for the extension and the object files; created if missing.

    Raises:
        NativeBuildError: unknown machine, no compiler, or no Python headers.
        CompilerError: the compiler failed.
    """
    target = find_target(machine)
    if find_spec("ziglang") is None:
        raise NativeBuildError("the compiler zig is not installed: pip install ziglang")
    folder.mkdir(parents=True, exist_ok=True)
    python_flags = [*PYTHON_FLAGS, *header_flags(target, folder)]

    def compile_file(job: tuple[Path, list[str]]) -> Path:
        source, flags = job
        made = folder / f"{source.stem}.o"
        if source.name == "module.c":
            flags = [*flags, *python_flags]
        zig_cc(target, [*FLAGS, *flags, "-c", str(source.relative_to(ROOT)), "-o", str(made)])
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [str(path) for path in pool.map(compile_file, files_and_flags(target))]
    library = folder / NAME
    zig_cc(target, [*LINK_FLAGS, *target.flags.split(), *objects, "-o", str(library)])
    return library


def files_and_flags(target: NativeTarget) -> Iterator[tuple[Path, list[str]]]:
    """Yield each C file to compile for a target and its flags; kernels of other processor families are left out."""
    for source in sorted(SOURCES.glob("*.c")):
        instruction_set = source.stem.removeprefix("kernels_")
        if instruction_set in target.kernels:
            yield source, target.kernels[instruction_set].split()
        elif instruction_set not in INSTRUCTION_SETS:
            yield source, [*target.flags.split(), *SMALL_FLAGS.get(source.stem, [])]


def header_flags(target: NativeTarget, folder: Path) -> list[str]:
    """Return the flags to include the headers of the running Python.

    Their pyconfig.h describes this machine. For a target with other sizes, a corrected copy is included first; its
    include guard then skips the original.
    """
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise NativeBuildError(f"Python's headers are missing in {include}; on Debian: apt-get install python3-dev")
    flags = ["-isystem", str(include)]
    if target.bits == 8 * struct.calcsize("P"):
        return flags
    text = Path(sysconfig.get_config_h_filename()).read_text(encoding="utf-8")
    words = r"^#define (SIZEOF|ALIGNOF)_(LONG|VOID_P|SIZE_T|UINTPTR_T|PTHREAD_T) .*"
    text = re.sub(words, r"#define \1_\2 4", text, count=0, flags=re.M)
    text = re.sub(r"^#define SIZEOF_LONG_DOUBLE .*", "#define SIZEOF_LONG_DOUBLE 8", text, count=0, flags=re.M)
    text = re.sub(r"^#define HAVE_GCC_UINT128_T .*", "", text, count=0, flags=re.M)
    corrected = folder / "pyconfig.h"
    corrected.write_text(text, encoding="utf-8")
    return ["-include", str(corrected), *flags]


def zig_cc(target: NativeTarget, words: list[str]) -> None:
    """Run zig's C compiler for a target.

    Raises:
        CompilerError: it failed.
    """
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CompilerError(f"{' '.join(command)}\n{done.stderr.rstrip()}")


def this_machine() -> str:
    """Return the key of `TARGETS` for the running Python.

    Raises:
        NativeBuildError: there is none.
    """
    machine, bits = platform.machine(), 8 * struct.calcsize("P")
    if bits == 32 and machine in ("aarch64", "armv8l"):  # a 32-bit system on a 64-bit kernel or processor
        machine = "armv7l"
    if sys.platform != "linux" or machine not in TARGETS or TARGETS[machine].bits != bits:
        raise NativeBuildError(f"{sys.platform} on {machine} with {bits} bits is not supported")
    return machine


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds the extension to a wheel, if `VARIABLE` is set; otherwise the wheel is pure Python."""

    def dependencies(self) -> list[str]:
        """Return the packages that the build needs besides hatchling."""
        return ["ziglang"] if os.environ.get(VARIABLE) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the extension, add it to the wheel, and set the wheel's tag; editable wheels are not changed."""
        machine = os.environ.get(VARIABLE)
        if not machine or version == "editable":
            return
        try:
            library = build(machine, ROOT / "build" / "native" / machine)
        except (NativeBuildError, CompilerError) as error:
            sys.exit(f"{VARIABLE}={machine}: {error}")
        build_data["force_include"][str(library)] = f"edgernn/{NAME}"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{find_target(machine).tag}"


def main(words: list[str]) -> None:
    """Put the extension for this machine into the package, or with the word `platforms` print the keys of `TARGETS`.

    If the extension cannot be built here, print the reason and succeed, because edgernn works without it.
    """
    if words == ["platforms"]:
        sys.stdout.write(" ".join(TARGETS) + "\n")
        return
    try:
        machine = this_machine()
        library = build(machine, ROOT / "build" / "native" / machine)
    except CompilerError as error:
        sys.exit(str(error))
    except NativeBuildError as error:
        sys.stderr.write(f"edgernn: the native kernels were not built, everything else works: {error}\n")
        return
    # A rename, not a copy: running processes keep the old file, which they have mapped.
    staged = shutil.copy(library, IN_CHECKOUT.with_suffix(".new"))
    Path(staged).replace(IN_CHECKOUT)


if __name__ == "__main__":
    main(sys.argv[1:])
