"""The extension in C: the instruction sets that it finds are those with kernels that Linux reports."""

import re
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "runtime" / "native"
# What /proc/cpuinfo calls the parts of each instruction set, from slow to fast.
X86 = {
    "avx2": {"avx2", "fma"},
    "avxvnni": {"avx2", "fma", "avx_vnni"},
    "avx512vnni": {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"},
}
ARM = {"neon": {"asimd"}, "neondot": {"asimd", "asimddp"}}


@pytest.mark.skipif(sys.platform != "linux", reason="the extension is built for Linux only")
def test_it_finds_the_instruction_sets_that_linux_reports() -> None:
    from edgernn import _native

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^(flags|Features)\s*:(.*)$", lines, re.M)
    assert found
    words = set(found[2].split())
    known = X86 if found[1] == "flags" else ARM
    usable = [name for name, parts in known.items() if parts <= words and (SOURCES / f"kernels_{name}.c").exists()]
    assert _native.instruction_sets() == ("scalar", *usable)
