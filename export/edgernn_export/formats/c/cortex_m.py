"""Memory and instructions on Cortex-M: generated C compiled for two cores, and run on one of them under QEMU.

The compiler is arm-none-eabi-gcc, or zig's from the package ziglang. Without a compiler there are no figures; without
QEMU there is no count of instructions.
"""

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Name of a core, and name of its processor for gcc; zig's has _ in place of -.
CORES = {"Cortex-M0+": "cortex-m0plus", "Cortex-M3": "cortex-m3"}
# QEMU's board with a Cortex-M3. With -icount shift=0, an instruction takes 1 ns; a tick of the 25 MHz timer is 40 ns.
_BOARD, _COUNTED, _INSTRUCTIONS_A_TICK = "mps2-an385", "Cortex-M3", 40
_FLAGS = ("-std=c99", "-Os", "-ffunction-sections", "-fdata-sections", "-fstack-usage", "-ffp-contract=off")
# zig has these functions for a machine without an operating system, but no headers that declare them.
_STRING_H = """\
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
"""
_FLOAT_FUNCTIONS = ("tanhf", "expf", "expm1f", "erff", "sqrtf", "fabsf", "logf")
_MATH_H = "\n".join(f"float {name}(float x);" for name in _FLOAT_FUNCTIONS) + (
    "\nfloat fminf(float x, float y);\nfloat fmaxf(float x, float y);\n#define INFINITY (__builtin_inff())\n"
)
_MAIN = """\
#include <stdint.h>
#include "{header}"

int8_t rows[{upper}_STEPS * {upper}_FEATURES], out[{upper}_ANSWERS * {upper}_OUTPUTS];

static void call_host(int operation, const void *argument)
{{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}}

void reset(void)
{{
    volatile uint32_t *const timer = (volatile uint32_t *)0xE000E010u;
    char text[12];
    int place = 11;
    timer[1] = 0xffffffu;
    timer[2] = 0;
    timer[0] = 5;
    const uint32_t start = timer[2];
    {prefix}_predict(rows, out);
    uint32_t ticks = (start - timer[2]) & 0xffffffu;
    text[place] = 0;
    do {{
        text[--place] = (char)('0' + ticks % 10u);
        ticks /= 10u;
    }} while (ticks);
    call_host(4, text + place);
    call_host(0x18, (const void *)0x20026);
    for (;;) {{
    }}
}}

__attribute__((section(".vectors"), used)) void (*const vectors[2])(void) = {{(void (*)(void))0x20010000, reset}};
"""
LINKER_SCRIPT = """\
MEMORY
{
  FLASH (rx) : ORIGIN = 0x00000000, LENGTH = 4M
  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 64K
}
ENTRY(reset)
SECTIONS
{
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
  .ARM.exidx : { *(.ARM.exidx*) } > FLASH
  .data : { *(.data*) } > RAM
  .bss : { *(.bss*) *(COMMON) } > RAM
}
"""
_SH_FLAGS_ALLOCATED, _SH_FLAGS_WRITABLE, _SH_NOBITS = 2, 1, 8


@dataclass(frozen=True)
class CoreSize:
    """Memory of a program on a core, without the compiler's library.

    Attributes:
        core: name of the core.
        flash_bytes: code and constants, without the functions that prepare real numbers.
        stack_bytes: upper limit of `predict`'s stack; 0 if unknown.
    """

    core: str
    flash_bytes: int
    stack_bytes: int


def find_arm_compiler(core: str) -> list[str]:
    """Return the command that compiles for a core, with its options; empty if there is no compiler."""
    if gcc := shutil.which("arm-none-eabi-gcc"):
        return [gcc, "-mthumb", f"-mcpu={CORES[core]}"]
    if find_spec("ziglang") is None:
        return []
    processor = CORES[core].replace("-", "_")
    return [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabi", f"-mcpu={processor}"]


def measure_sizes(files: Mapping[str, str], prefix: str) -> list[CoreSize]:
    """Compile a program for each core.

    Args:
        files: its source and header.
        prefix: prefix of its names.

    Returns:
        One size for each core; none for a core without a compiler, or whose compiler fails.
    """
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (source,) = _write(folder, files)
        for core in CORES:
            compiler = find_arm_compiler(core)
            if (
                compiler
                and _run([*compiler, *_FLAGS, "-Iinclude", "-c", source, "-o", "program.o"], folder) is not None
            ):
                found.append(_size(core, folder, prefix))
    return found


def count_instructions(files: Mapping[str, str], prefix: str) -> int | None:
    """Count the instructions of one prediction on a Cortex-M3 under QEMU, in steps of 40.

    Args:
        files: source and header of an int8 program.
        prefix: prefix of its names.

    Returns:
        The number, or None if there is no compiler or QEMU, or if one of them fails.
    """
    qemu, compiler = shutil.which("qemu-system-arm"), find_arm_compiler(_COUNTED)
    if not qemu or not compiler:
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (source,) = _write(folder, files)
        header = next(each for each in files if each.endswith(".h"))
        (folder / "main.c").write_text(_MAIN.format(header=header, prefix=prefix, upper=prefix.upper()), "utf-8")
        (folder / "link.ld").write_text(LINKER_SCRIPT, "utf-8")
        gcc = [] if "ziglang" in compiler else ["--specs=nano.specs"]
        # predict takes integers; quantize, which it does not call, may need functions of math.h that zig lacks.
        unused = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
        options = ["-std=gnu99", "-Os", "-Iinclude", *unused, *gcc, "-nostartfiles", "-T", "link.ld"]
        if _run([*compiler, *options, source, "main.c", "-o", "image.elf"], folder) is None:
            return None
        machine = ["-M", _BOARD, "-icount", "shift=0", "-nographic"]
        host = ["-semihosting-config", "enable=on,target=native"]
        written = _run([qemu, *machine, *host, "-kernel", "image.elf"], folder, seconds=60)
    ticks = re.search(r"\d+", written or "")
    return int(ticks[0]) * _INSTRUCTIONS_A_TICK if ticks else None


def _write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write files, and for zig the headers that it lacks; return the names of the sources."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    include = folder / "include"
    if shutil.which("arm-none-eabi-gcc"):
        include.mkdir()
    else:
        write_headers(include)
    return [name for name in files if name.endswith(".c")]


def write_headers(folder: Path) -> None:
    """Write the headers that zig lacks for a machine without an operating system into a new folder."""
    folder.mkdir()
    (folder / "string.h").write_text(_STRING_H, encoding="utf-8")
    (folder / "math.h").write_text(_MATH_H, encoding="utf-8")


def _run(command: Sequence[str], folder: Path, seconds: float = 300) -> str | None:
    """Run a program; return its output, or None if it fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def _size(core: str, folder: Path, prefix: str) -> CoreSize:
    prepares = re.compile(rf"\.text\.{prefix}_(quantize|scale)|\.rodata\.scale_")
    sections = read_sections((folder / "program.o").read_bytes())
    flash = sum(size for name, size in sections if not prepares.match(name))
    return CoreSize(core, flash, _stack(folder, prefix))


def _stack(folder: Path, prefix: str) -> int:
    """Return the sum of the stack frames of predict, step, answer and all helpers, an upper limit for any call."""
    usage = next(iter(folder.glob("*.su")), None)
    if usage is None:
        return 0
    frames = re.findall(r":(\w+)\t(\d+)", usage.read_text("utf-8"))
    return sum(int(size) for name, size in frames if not re.match(rf"{prefix}_(init|quantize|scale)", name))


def read_sections(data: bytes) -> list[tuple[str, int]]:
    """Return the name and size of each section in flash, of a 32-bit little-endian ELF file."""
    (offset,) = struct.unpack_from("<I", data, 32)
    size, count, names = struct.unpack_from("<HHH", data, 46)
    headers = [struct.unpack_from("<10I", data, offset + number * size) for number in range(count)]
    texts = data[headers[names][4] :]
    return [
        (texts[header[0] : texts.index(b"\0", header[0])].decode("ascii"), header[5])
        for header in headers
        if header[2] & (_SH_FLAGS_ALLOCATED | _SH_FLAGS_WRITABLE) == _SH_FLAGS_ALLOCATED and header[1] != _SH_NOBITS
    ]
