"""Memory and instructions of the digits' int8 C source on Cortex-M, beside their limits."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common import exports
from common.checks import Check
from common.programs import run_program
from edgernn.errors import ArtifactError
from edgernn_export import export
from edgernn_export.formats.c import cortex_m
from edgernn_export.formats.c.naming import identifier

# Maximum bytes; those of a linked program include what it needs of the compiler's library.
MAX_CONSTANTS, MAX_LINKED, MAX_RAM, MAX_STACK = 7_800, {"Cortex-M3": 8_900, "Cortex-M0+": 9_400}, 128, 320
MAX_INSTRUCTIONS = 1_200_000  # of a prediction on a Cortex-M3
_GCC = "arm-none-eabi-gcc"
_GROUP = "SimpleRNN(64) as C source, int8"
_FLAGS = ("-std=c99", "-Os", "-ffunction-sections", "-fdata-sections")
_LINK = ("--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-T", "link.ld")
# The program of a core: nothing, or one prediction from and to memory at a fixed address, which takes no flash.
_MAIN = """\
#include <stdint.h>
{include}
void reset(void)
{{
    {call}
    for (;;) {{
    }}
}}
__attribute__((section(".vectors"), used)) void (*const vectors[2])(void) = {{(void (*)(void))0x20010000, reset}};
"""


def c_checks(run: Path, folder: Path) -> tuple[list[Check], Mapping[str, str]]:
    """Export int8 C source of a run, and measure it on Cortex-M; also return reasons for missing figures, by group.

    Raises:
        ArtifactError: the source was not exported.
    """
    (row,) = export(run, folder, targets=[exports.C_INT8])
    if not row.passed or row.device is None:
        raise ArtifactError(f"{run}: {row.target} was not exported: {row.reason}")
    checks = [Check(_GROUP, "RAM without the stack", "bytes", row.device.ram_bytes, MAX_RAM)]
    if not shutil.which(_GCC):
        return checks, {_GROUP: f"no {_GCC}, with whose library programs are linked"}
    files = {each.name: each.read_text("utf-8") for each in (row.path, row.path.with_suffix(".h"))}
    prefix = identifier(row.path.stem)
    linked = {core: _link(files, prefix, core) for core in MAX_LINKED}
    checks += [Check(_GROUP, "constants", "bytes", max(each.constants for each in linked.values()), MAX_CONSTANTS)]
    checks += [
        Check(_GROUP, f"linked with its library, {core}", "bytes", linked[core].flash, limit)
        for core, limit in MAX_LINKED.items()
    ]
    stack = max(size.stack_bytes for size in cortex_m.measure_sizes(files, prefix))
    checks.append(Check(_GROUP, "stack", "bytes", stack, MAX_STACK))
    instructions = cortex_m.count_instructions(files, prefix)
    if instructions is None:
        return checks, {_GROUP: "no qemu-system-arm, which counts instructions"}
    return [*checks, Check(_GROUP, "a prediction on Cortex-M3", "instructions", instructions, MAX_INSTRUCTIONS)], {}


@dataclass(frozen=True)
class _Linked:
    """Bytes in flash that a linked program has for a prediction, and those of constants among them."""

    flash: int
    constants: int


def _link(files: Mapping[str, str], prefix: str, core: str) -> _Linked:
    """Link a program of one prediction and one of none; return what the first has more."""
    compiler = cortex_m.find_arm_compiler(core)
    header = next(name for name in files if name.endswith(".h"))
    call = f"{prefix}_predict((int8_t *)0x20008000, (int8_t *)0x2000f000);"
    mains = {
        "none.c": _MAIN.format(include="", call=""),
        "one.c": _MAIN.format(include=f'#include "{header}"', call=call),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in {**files, **mains, "link.ld": cortex_m.LINKER_SCRIPT}.items():
            (folder / path).write_text(text, "utf-8")
        (source,) = (name for name in files if name.endswith(".c"))
        for main, sources in (("none", ()), ("one", (source,))):
            run_program([*compiler, *_FLAGS, *_LINK, *sources, f"{main}.c", "-o", f"{main}.elf"], folder)
        run_program([*compiler, *_FLAGS, "-c", source, "-o", "source.o"], folder)
        none, one, compiled = (
            cortex_m.read_sections((folder / path).read_bytes()) for path in ("none.elf", "one.elf", "source.o")
        )
    return _Linked(
        flash=sum(size for _, size in one) - sum(size for _, size in none),
        constants=sum(
            size for name, size in compiled if name.startswith(".rodata") and not name.startswith(".rodata.scale_")
        ),
    )
