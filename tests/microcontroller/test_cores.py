"""Generated C on other processors: no warning of any compiler, and the same bits under QEMU as on this machine.

These need clang, arm-none-eabi-gcc with newlib, and QEMU for users and for Cortex-M; the package ziglang compiles for
the systems. `make test-c` runs them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from made_up_c import digits_files, export_cells

from edgernn_export.formats.c import cortex_m

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-ffp-contract=off")
ZIG = (sys.executable, "-m", "ziglang", "cc")
GCC = "arm-none-eabi-gcc"
MODELS = ("digits", "cells-int8", "cells-float32")
CORES = {
    "gcc for Cortex-M0+": (GCC, "-mthumb", "-mcpu=cortex-m0plus"),
    "gcc for Cortex-M3": (GCC, "-mthumb", "-mcpu=cortex-m3"),
    "gcc for Cortex-M4": (GCC, "-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "gcc for Cortex-M7": (GCC, "-mthumb", "-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "zig for RV32IMC": (*ZIG, "-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", "-isystem", "include"),
    "gcc": ("gcc",),
    "clang": ("clang",),
}
SYSTEMS = {
    "ARMv6": ("qemu-arm", "arm-linux-musleabihf", "-mcpu=arm1176jzf_s"),
    "AArch64": ("qemu-aarch64", "aarch64-linux-musl", "-mcpu=generic"),
    "RISC-V": ("qemu-riscv32", "riscv32-linux-musl", "-mcpu=baseline_rv32"),
}
PAGE = Path(__file__).parents[2] / "docs" / "microcontrollers.md"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, str]]:
    """Return source, header and test of each model, by name."""
    folder = tmp_path_factory.mktemp("c")
    export_cells(folder)
    found = {name: {each.name: each.read_text("utf-8") for each in folder.glob(f"{name}[._]*[ch]")} for name in MODELS}
    return found | {"digits": digits_files()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the headers that zig lacks without a system."""
    cortex_m.write_headers(tmp_path / "include")
    return tmp_path


def run(command: Sequence[str], folder: Path) -> str:
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def write(files: Mapping[str, str], folder: Path) -> list[str]:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [name for name in files if name.endswith(".c")]


def digest_of(written: str) -> str:
    """Return the digest of the answers; nothing may be wrong."""
    found = re.search(r"0 wrong numbers, 0 streams that differ, digest (\w+)", written)
    assert found, written
    return found[1]


def host_digest(files: Mapping[str, str], folder: Path, *flags: str, compiler: str = "gcc") -> str:
    run([compiler, *WARNINGS, *flags, *write(files, folder), "-o", "host", "-lm"], folder)
    return digest_of(run([str(folder / "host")], folder))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("level", ["-Os", "-O3"])
def test_no_compiler_warns(
    sources: Mapping[str, Mapping[str, str]], folder: Path, model: str, core: str, level: str
) -> None:
    (source,) = (name for name in write(sources[model], folder) if not name.endswith("_test.c"))
    run([*CORES[core], *WARNINGS, level, "-c", source, "-o", "program.o"], folder)


@pytest.mark.parametrize("model", MODELS)
def test_sanitizers_find_nothing_and_optimization_changes_no_bit(
    sources: Mapping[str, Mapping[str, str]], folder: Path, model: str
) -> None:
    digests = {
        host_digest(sources[model], folder, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"),
        host_digest(sources[model], folder, "-O3"),
        host_digest(sources[model], folder, "-O1", "-fsanitize=undefined", "-fno-sanitize-recover", compiler="clang"),
    }
    assert len(digests) == 1 or model == "cells-float32"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_the_bits_of_this_machine(
    sources: Mapping[str, Mapping[str, str]], folder: Path, model: str, system: str
) -> None:
    qemu, target, processor = SYSTEMS[system]
    names = write(sources[model], folder)
    run([*ZIG, "-target", target, processor, "-Os", *WARNINGS, "-static", *names, "-o", "other", "-lm"], folder)
    other = digest_of(run([qemu, str(folder / "other")], folder))
    # Another library of functions gives other bits of float32.
    assert model == "cells-float32" or other == host_digest(sources[model], folder)


@pytest.mark.parametrize("model", MODELS)
def test_a_cortex_m3_has_the_bits_of_this_machine(
    sources: Mapping[str, Mapping[str, str]], folder: Path, model: str
) -> None:
    page = PAGE.read_text("utf-8")
    _, vectors = re.findall(r"```c\n(.*?)```", page, re.S)
    compiled, started = re.findall(r"^    ((?:arm-none-eabi-gcc|qemu-system-arm) .*)", page, re.M)
    write({**sources[model], "vectors.c": vectors}, folder)
    name = next(name.removesuffix("_test.c") for name in sources[model] if name.endswith("_test.c"))
    run(compiled.replace("digits-int8", name).split(), folder)
    written = run(started.split(), folder)
    assert model == "cells-float32" or digest_of(written) == host_digest(sources[model], folder)


def test_the_digits_keep_their_limits() -> None:
    files = {name: text for name, text in digits_files().items() if not name.endswith("_test.c")}
    small, larger = cortex_m.measure_sizes(files, "digits")
    # The compiler's library adds some 200 bytes on Cortex-M3 and 700 on Cortex-M0+, which has no division.
    assert small.flash_bytes <= 8_700
    assert larger.flash_bytes <= 8_700
    assert max(small.stack_bytes, larger.stack_bytes) <= 320
    instructions = cortex_m.count_instructions(files, "digits")
    assert instructions is not None
    assert instructions <= 1_200_000


@pytest.mark.parametrize("missing", ["", GCC])
def test_instructions_are_counted_beside_functions_of_other_libraries(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Add a function as that which quantizes rows behind a LayerNormalization, which calls sqrtf."""
    files = {name: text for name, text in digits_files().items() if not name.endswith("_test.c")}
    files["digits.c"] += (
        "\n#include <math.h>\nfloat digits_root(float x);\nfloat digits_root(float x) { return sqrtf(x); }\n"
    )
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else which(name))
    assert cortex_m.count_instructions(files, "digits") is not None


# What the example programs use of each SDK.
STUBS = {
    "arduino": {
        "Arduino.h": "enum { A0, LED_BUILTIN, OUTPUT, HIGH, LOW };\nint analogRead(int);\nvoid pinMode(int, int);\n"
        "void digitalWrite(int, int);\nvoid delay(unsigned long);\n"
    },
    "pico": {
        "hardware/adc.h": "#include <stdint.h>\nvoid adc_init(void);\nvoid adc_gpio_init(unsigned);\n"
        "void adc_select_input(unsigned);\nuint16_t adc_read(void);\n",
        "pico/stdlib.h": "#include <stdbool.h>\n#define PICO_DEFAULT_LED_PIN 25\n#define GPIO_OUT true\n"
        "void gpio_init(unsigned);\nvoid gpio_set_dir(unsigned, bool);\nvoid gpio_put(unsigned, bool);\n"
        "void sleep_ms(unsigned);\n",
    },
    "esp-idf": {
        "driver/gpio.h": "#include <stdint.h>\ntypedef enum { GPIO_NUM_2 = 2 } gpio_num_t;\n"
        "typedef enum { GPIO_MODE_OUTPUT } gpio_mode_t;\nint gpio_set_direction(gpio_num_t, gpio_mode_t);\n"
        "int gpio_set_level(gpio_num_t, uint32_t);\n",
        "freertos/FreeRTOS.h": "#define pdMS_TO_TICKS(ms) ((unsigned)(ms))\n",
        "freertos/task.h": "void vTaskDelay(unsigned);\nvoid app_main(void);\n",
    },
}
EXAMPLES = Path(__file__).parents[2] / "examples" / "microcontroller"
PROGRAMS = {
    "arduino": EXAMPLES / "arduino/EdgernnModel/examples/blink_model/blink_model.ino",
    "pico": EXAMPLES / "pico/main.c",
    "esp-idf": EXAMPLES / "esp-idf/main/main.c",
}


@pytest.mark.parametrize("kit", STUBS)
def test_an_example_compiles_for_a_cortex_m0_with_the_declarations_of_its_sdk(kit: str, tmp_path: Path) -> None:
    for name, text in STUBS[kit].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    write(digits_files("motion-int8"), tmp_path)
    core = CORES["gcc for Cortex-M0+"][1:]
    if kit == "arduino":
        library = EXAMPLES / "arduino/EdgernnModel/src"
        compiler, how = "arm-none-eabi-g++", ("-std=gnu++11", "-x", "c++", "-include", "Arduino.h", f"-I{library}")
    else:
        compiler, how = GCC, ("-std=gnu11",)
    flags = ("-Wall", "-Wextra", "-Werror", "-Os", "-I.", "-c")
    run([compiler, *core, *how, *flags, str(PROGRAMS[kit]), "-o", "program.o"], tmp_path)
    run([GCC, *core, *WARNINGS, "-Os", "-c", "motion-int8.c", "-o", "model.o"], tmp_path)


def test_the_arduino_library_has_the_fields_that_its_rules_require() -> None:
    lines = (EXAMPLES / "arduino/EdgernnModel/library.properties").read_text("utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert required <= fields.keys()
    assert all(fields.values())
    assert (EXAMPLES / "arduino" / fields["name"] / "src" / fields["includes"]).is_file()
