"""Every machine gives the same bits: the same programs run here and under QEMU; `make test-native`.

compare_kernels.c compares each instruction set with the reference kernels, whose own results must have the same bits on
every machine, in int8 and in float32. run_plans.c runs whole programs.
"""

import platform
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import build_native
import pytest
from build_native import FLAGS, TARGETS, files_and_flags, zig_cc
from made_up_programs import every_operator, fuzz_input

import edgernn
from edgernn.program.operators import INT8
from edgernn.program.plan import make_plan
from edgernn.program.reader import read_program

HERE = Path(__file__).parent
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
    """Return a function that compiles a C file of this folder, which then needs no library, for a machine."""

    def compile_program(machine: str, *flags: str, name: str = "compare_kernels") -> Path:
        folder = tmp_path_factory.mktemp(machine)
        target = TARGETS[machine]
        system = target.triple.partition(".")[0].replace("-gnu", "-musl")
        target = replace(target, triple=system)
        objects = []
        # module.c needs Python.
        sources = [each for each in files_and_flags(target) if each[0].stem != "module"]
        for source, own in [*sources, (HERE / f"{name}.c", [target.flags])]:
            made = str(folder / f"{source.stem}.o")
            zig_cc(target, [*FLAGS, *own, *flags, "-c", str(source.relative_to(build_native.ROOT)), "-o", made])
            objects.append(made)
        zig_cc(target, ["-static", target.flags, *objects, "-o", str(folder / name)])
        return folder / name

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
    inexact = ("-ffast-math", "-Wno-error")  # a warning says that there is no infinity then
    found, different = compare(compiled("x86_64", *inexact), *emulator_of("x86_64"))
    assert found[0] != digests[0]
    assert all(different.values())


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return files with plans, by the names of their programs."""
    folder = tmp_path_factory.mktemp("plans")
    programs = {**every_operator(), "digits": read_program(edgernn.sample().read_bytes())}
    found = {name: folder / str(number) for number, name in enumerate(programs)}
    for name, path in found.items():
        path.write_bytes(fuzz_input(make_plan(programs[name])))
    return found


def digests_of_plans(program: Path, plans: dict[str, Path], emulator: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return digests of the plans' answers by the instruction set and the program's name."""
    command = [*emulator, program, *plans.values()]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0]: dict(zip(plans, line.split()[1:], strict=True)) for line in lines}


def test_whole_programs_have_the_same_bits_on_every_machine(compiled: Compile, plans: dict[str, Path]) -> None:
    found = {
        (machine, name): answers
        for machine in TARGETS
        for name, answers in digests_of_plans(compiled(machine, name="run_plans"), plans, emulator_of(machine)).items()
    }
    right = found["x86_64", "scalar"]
    assert "differs" not in right.values()
    # In float32, vectors add in another order.
    integers = {name for name, each in every_operator().items() if {value.type for value in each.values} == {INT8}}
    integers |= {"recurrent", "digits"}
    for (machine, name), answers in found.items():
        for program in right if name == "scalar" else integers:
            assert answers[program] == right[program], f"{program} on {machine} with {name}"
