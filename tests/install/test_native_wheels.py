"""The wheels with the extension in C: what is in them, for which machines, and that pip prefers the one for its own."""

import os
import shutil
import struct
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from build_native import NAME, ROOT, TARGETS, VARIABLE, this_machine

MAX_COMPRESSED_BYTES = 60_000
# PEP 600: a wheel with this tag runs with this glibc and every later one.
GLIBC = (2, 17)
# Numbers of processors, and the flags of Arm's binary interface 5 with floats in registers: elf.h.
ELF_MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40, "armv6l": 40}
ARM_FLAGS = {"armv7l": 0x5000400, "armv6l": 0x5000400}
# Kernels with pages of 16 KB (Raspberry Pi 5) and 64 KB load only segments that are aligned to as much.
MIN_ARM_ALIGNMENT = 65_536


@dataclass(frozen=True)
class Elf:
    """A shared library in ELF, as far as these tests need it."""

    content: bytes

    @property
    def bits(self) -> int:
        return {1: 32, 2: 64}[self.content[4]]

    @property
    def machine(self) -> int:
        return int(struct.unpack_from("<H", self.content, 18)[0])

    @property
    def flags(self) -> int:
        return int(struct.unpack_from("<I", self.content, 48 if self.bits == 64 else 36)[0])

    def alignments(self) -> set[int]:
        """Return the alignments of the segments that are loaded."""
        found = set()
        start, size, count = self._table(32, 54) if self.bits == 64 else self._table(28, 42)
        for at in range(start, start + size * count, size):
            if struct.unpack_from("<I", self.content, at)[0] == 1:
                form, offset = ("<Q", 48) if self.bits == 64 else ("<I", 28)
                found.add(struct.unpack_from(form, self.content, at + offset)[0])
        return found

    def undefined(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each symbol that another library must have, and its version, "" without one."""
        symbols, strings = self._section(11)
        versions = self._section(0x6FFFFFFF)[0]
        names = self._version_names()
        size, place = (24, "<IBBHQQ") if self.bits == 64 else (16, "<IIIBBH")
        for index in range(1, len(symbols) // size):
            fields = struct.unpack_from(place, symbols, index * size)
            if fields[3 if self.bits == 64 else 5] == 0:
                version = struct.unpack_from("<H", versions, 2 * index)[0] if versions else 1
                yield _text(strings, fields[0]), names.get(version, "")

    def _version_names(self) -> dict[int, str]:
        needed, strings = self._section(0x6FFFFFFE)
        found, at = {}, 0
        while needed:
            _, count, _, auxiliary, following = struct.unpack_from("<HHIII", needed, at)
            each = at + auxiliary
            for _ in range(count):
                _, _, number, name, step = struct.unpack_from("<IHHII", needed, each)
                found[number] = _text(strings, name)
                each += step
            if not following:
                break
            at += following
        return found

    def _table(self, start_at: int, size_at: int) -> tuple[int, int, int]:
        start = struct.unpack_from("<Q" if self.bits == 64 else "<I", self.content, start_at)[0]
        return (start, *struct.unpack_from("<HH", self.content, size_at))

    def _section(self, kind: int) -> tuple[bytes, bytes]:
        """Return the content of the first section of a type and of the one it refers to, empty if there is none."""
        start, size, count = self._table(40, 58) if self.bits == 64 else self._table(32, 46)
        form = "<IIQQQQII" if self.bits == 64 else "<IIIIIIII"
        rows = [struct.unpack_from(form, self.content, start + size * index) for index in range(count)]
        for row in rows:
            if row[1] == kind:
                other = rows[row[6]]
                return self.content[row[4] : row[4] + row[5]], self.content[other[4] : other[4] + other[5]]
        return b"", b""


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()


def build_wheel(machine: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env={**os.environ, VARIABLE: machine})
    (path,) = folder.glob("*-abi3-*.whl")
    return path


@pytest.mark.parametrize("machine", TARGETS)
def test_a_wheel_has_one_extension_for_its_machine(machine: str, tmp_path: Path) -> None:
    wheel = build_wheel(machine, tmp_path)
    tag = f"cp311-abi3-{TARGETS[machine].tag}"
    assert wheel.stem.endswith(f"-{tag}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = [each for each in archive.infolist() if each.filename.endswith(".so")]
        (metadata,) = [name for name in names if name.endswith(".dist-info/WHEEL")]
        assert f"Root-Is-Purelib: false\nTag: {tag}\n" in archive.read(metadata).decode()
        elf = Elf(archive.read(info))
    assert info.filename == f"edgernn/{NAME}"
    assert info.compress_size <= MAX_COMPRESSED_BYTES
    assert not [name for name in names if name.endswith((".c", ".h", "build_native.py"))]
    assert (elf.bits, elf.machine) == (TARGETS[machine].bits, ELF_MACHINES[machine])
    assert elf.flags == ARM_FLAGS.get(machine, 0)
    assert machine == "x86_64" or min(elf.alignments()) >= MIN_ARM_ALIGNMENT


@pytest.mark.parametrize("machine", TARGETS)
def test_an_extension_needs_only_python_and_an_old_glibc(machine: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(build_wheel(machine, tmp_path)) as archive:
        undefined = dict(Elf(archive.read(f"edgernn/{NAME}")).undefined())
    assert "PyModuleDef_Init" in undefined
    for name, version in undefined.items():
        if version:
            library, _, number = version.partition("_")
            assert library == "GLIBC", name
            assert tuple(map(int, number.split("."))) <= GLIBC, name
        else:
            assert name.startswith(("Py", "_Py")), name


def test_pip_prefers_the_wheel_with_the_extension_and_it_runs(wheel: Path, tmp_path: Path) -> None:
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]
    choice = tmp_path / "wheels"
    build_wheel(this_machine(), choice)
    shutil.copy(wheel, choice)
    venv.create(tmp_path / "environment", with_pip=True)
    python = str(tmp_path / "environment" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links", str(choice), "edgernn"]
    subprocess.run(pip, check=True, capture_output=True)
    # Without the package around it, which would need NumPy.
    program = """
import importlib.util, sys
sys.path.append(importlib.util.find_spec("edgernn").submodule_search_locations[0])
import _native
print(_native.__file__, *_native.instruction_sets())
"""
    done = subprocess.run([python, "-I", "-c", program], check=True, capture_output=True, text=True)
    path, *found = done.stdout.split()
    assert Path(path).is_relative_to(tmp_path / "environment")
    assert found[0] == "scalar"
