"""The kernels of every machine give the same bits: the same comparison runs here and under QEMU; `make test-native`.

compare_kernels.c compares each instruction set with the reference kernels, whose own results must have the same bits on
every machine, in int8 and in float32.
"""

import platform
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import build_native
import pytest
from build_native import FLAGS, TARGETS, files_and_flags, zig_cc

PROGRAM = Path(__file__).parent / "compare_kernels.c"
ROUNDS = 2000
# The emulator of each machine; "max" has SDOT.
QEMU = {
    "x86_64": ("qemu-x86_64",),
    "aarch64": ("qemu-aarch64", "-cpu", "max"),
    "armv7l": ("qemu-arm",),
    "armv6l": ("qemu-arm", "-cpu", "arm1176"),
}

Compile = Callable[..., Path]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Return a function that compiles the comparison for a machine, with more flags; the program needs no library."""

    def compile_program(machine: str, *flags: str) -> Path:
        folder = tmp_path_factory.mktemp(machine)
        target = TARGETS[machine]
        system = target.triple.partition(".")[0].replace("-gnu", "-musl")
        target = replace(target, triple=system)
        kernels = [each for each in files_and_flags(target) if each[0].stem.partition("_")[0] in ("kernels", "cpu")]
        objects = []
        for source, own in [*kernels, (PROGRAM, [target.flags])]:
            made = str(folder / f"{source.stem}.o")
            zig_cc(target, [*FLAGS, *own, *flags, "-c", str(source.relative_to(build_native.ROOT)), "-o", made])
            objects.append(made)
        zig_cc(target, ["-static", target.flags, *objects, "-o", str(folder / "compare")])
        return folder / "compare"

    return compile_program


def compare(program: Path, *emulator: str) -> tuple[list[str], dict[str, int]]:
    """Run a comparison; return the digests of the reference kernels, and how many comparisons differ by their names."""
    command = [*emulator, program, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines, f"{command} ended with {done.returncode}: {done.stderr}"
    found = {name: int(different) for name, _, different in lines[1:]}
    assert done.returncode == any(found.values())
    return lines[0][1:], found


def emulator_of(machine: str) -> tuple[str, ...]:
    return () if machine == platform.machine() else QEMU[machine]


@pytest.fixture(scope="module")
def digests(compiled: Compile) -> list[str]:
    """Return the digests of the reference kernels' results in int8 and float32 on x86-64."""
    return compare(compiled("x86_64"), *emulator_of("x86_64"))[0]


@pytest.mark.parametrize("machine", TARGETS)
def test_all_kernels_have_the_bits_of_the_reference(compiled: Compile, digests: list[str], machine: str) -> None:
    found, different = compare(compiled(machine), *emulator_of(machine))
    assert found == digests
    assert different == dict.fromkeys(different, 0)
    if emulator_of(machine) and machine != "x86_64":
        assert set(different) == set(TARGETS[machine].kernels)


def test_an_arm_processor_without_dot_products_runs_neon(compiled: Compile, digests: list[str]) -> None:
    found, different = compare(compiled("aarch64"), "qemu-aarch64", "-cpu", "cortex-a53")
    assert (found, different) == (digests, {"neon": 0})


def test_contracted_products_are_found(compiled: Compile, digests: list[str]) -> None:
    """With one rounding for a product and a sum, the reference kernels have other bits on a processor that can."""
    found, _ = compare(compiled("aarch64", "-ffp-contract=fast"), *emulator_of("aarch64"))
    assert found[0] == digests[0]
    assert found[1] != digests[1]


def test_arithmetic_that_is_only_nearly_right_is_found(compiled: Compile, digests: list[str]) -> None:
    """With -ffast-math, rounding by adding and subtracting a number is left out."""
    found, different = compare(compiled("x86_64", "-ffast-math"), *emulator_of("x86_64"))
    assert found[0] != digests[0]
    assert all(different.values())
