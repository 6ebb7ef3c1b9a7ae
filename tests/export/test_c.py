"""C source: the bits of the oracle, whole and streamed; names, numbers and refusals."""

import ctypes
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from made_up_c import export_cells
from made_up_programs import float32, int8, whole
from program import oracle

import edgernn
from edgernn.card import Card, read_card, seal
from edgernn.errors import ExportError, UnknownOperatorError, UnsupportedError
from edgernn.program.operators import (
    Binary,
    Function,
    Operator,
    Program,
    ProgramState,
    Quantize,
    Reduce,
    Softmax,
    Value,
)
from edgernn.program.reader import read_program
from edgernn_export.formats.base import DeviceFacts, Target
from edgernn_export.formats.c import cortex_m
from edgernn_export.formats.c.c_files import CFiles
from edgernn_export.formats.c.compiled import FLAGS, CompiledModel, compile_library, find_compiler
from edgernn_export.formats.c.emitter import float_text
from edgernn_export.formats.c.format import CFormat, find_origins
from edgernn_export.formats.c.helpers import HELPERS, definitions
from edgernn_export.formats.c.integer_statements import pack_multiplier
from edgernn_export.formats.c.layout import make_layout
from edgernn_export.formats.c.naming import identifier
from edgernn_export.formats.c.writer import make_source, write_header, write_source
from edgernn_export.recommendation import choose_by_device, choose_source

DIGITS = edgernn.sample().read_bytes()


@pytest.fixture(scope="module")
def program() -> Program:
    return read_program(DIGITS)


@pytest.fixture(scope="module")
def card() -> Card:
    return read_card(DIGITS)


def files_of(program: Program, card: Card, stem: str = "digits") -> dict[str, str]:
    source = make_source(program, stem)
    text = write_source(source, card, card.encode().decode(), f"{stem}.h")
    return {f"{stem}.h": write_header(source, card), f"{stem}.c": text}


def compiled(program: Program, card: Card, folder: Path) -> CompiledModel:
    library = folder / f"{folder.name}.so"
    compile_library(find_compiler(), files_of(program, card), library)
    return CompiledModel(library, make_source(program, "digits"), "C", scaled=bool(card.inputs[0].factor))


def run_program(files: Mapping[str, str], folder: Path) -> str:
    """Compile a program with warnings as errors, run it, and return what it writes."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources = [name for name in files if name.endswith(".c")]
    subprocess.run([*find_compiler(), *FLAGS, *sources, "-o", "program", "-lm"], cwd=folder, check=True)
    done = subprocess.run([folder / "program"], capture_output=True, text=True, check=True)
    return done.stdout


def streamed(model: CompiledModel, samples: Any) -> Any:
    stream, answers = model.start(), []
    for sample in samples:
        stream.reset()
        answers.append([stream.step((row,))[0] for row in sample])
    return np.array(answers)


def test_the_digits_have_the_bits_of_the_oracle_whole_and_streamed(
    program: Program, card: Card, tmp_path: Path
) -> None:
    model = compiled(program, card, tmp_path)
    x = np.random.default_rng(0).uniform(-0.2, 1.2, (300, 28, 28)).astype(np.float32)
    (answers,) = model.run((x,))
    expected = oracle.answer(program, x)
    # Probabilities come from integers: within a step of 1/256. States are exact.
    assert np.abs(answers - expected).max() <= 1 / 256
    assert np.mean(answers != expected) < 1e-3
    assert np.array_equal(streamed(model, x[:5])[:, -1], answers[:5])

    logits = next(each.x for each in program.answer if isinstance(each, Softmax))
    without_softmax = replace(program, output=logits, answer=program.answer[:1])
    folder = tmp_path / "logits"
    folder.mkdir()
    answers = compiled(without_softmax, card, folder).predict(model.encode(x))
    assert np.array_equal(answers, oracle.answer(without_softmax, x))


def test_requantization_is_that_of_float32(tmp_path: Path) -> None:
    loop = (
        "void each(const int32_t *sums, const uint32_t *multipliers, int count, int32_t *out);\n"
        "void each(const int32_t *sums, const uint32_t *multipliers, int count, int32_t *out)\n"
        "{\n    for (int i = 0; i < count; i++) {\n"
        "        out[i] = requantize(round_sum(sums[i]), multipliers[i]);\n    }\n}\n"
    )
    text = "\n".join(["#include <stdint.h>", *definitions(["requantize", "round_sum"]), loop])
    library = tmp_path / "requantize.so"
    compile_library(find_compiler(), {"requantize.c": text}, library)
    random = np.random.default_rng(0)
    count = 400_000
    multipliers = np.exp2(random.uniform(-32, 7.9, count)).astype(np.float32)
    # Half of the sums are as near to a half as an integer can be, half of those beyond 24 bits.
    halves = (random.integers(-140, 140, count) + 0.5) / multipliers.astype(np.float64)
    sums = np.where(random.random(count) < 0.5, np.rint(halves), random.integers(-(1 << 30), 1 << 30, count))
    sums = np.clip(sums, -(1 << 31) + 128, (1 << 31) - 129).astype(np.int32)
    sums[::7] >>= random.integers(0, 31, len(sums[::7]))
    packed = np.array([pack_multiplier(float(each)) for each in multipliers], np.uint32)
    found = np.empty(count, np.int32)
    ctypes.CDLL(str(library)).each(
        *(ctypes.c_void_p(each.ctypes.data) for each in (sums, packed)), count, ctypes.c_void_p(found.ctypes.data)
    )
    expected = np.clip(np.rint(sums.astype(np.float32) * multipliers), -256, 256)
    assert np.array_equal(np.clip(found, -256, 256), expected)
    assert (np.abs(expected) < 256).mean() > 0.3


@pytest.mark.parametrize("multiplier", [2.0**-33, 256.0, 0.0, -1.0])
def test_a_multiplier_that_does_not_fit_is_refused(multiplier: float) -> None:
    with pytest.raises(UnsupportedError, match=r"a quotient of scales of .*, expected one in \[2\^-32, 256\)"):
        pack_multiplier(multiplier)


def test_helpers_call_only_what_stands_in_front_of_them() -> None:
    defined: set[str] = set()
    for name, helper in HELPERS.items():
        assert set(helper.needs) <= defined, name
        defined.add(name)


def test_int8_needs_only_stdint_and_string_and_no_memory_of_its_own(program: Program, card: Card) -> None:
    text = files_of(program, card)["digits.c"]
    included = {line.split()[1] for line in text.splitlines() if line.startswith("#include")}
    assert included == {'"digits.h"', "<string.h>"}
    assert "malloc" not in text.partition("*/")[2]
    code = text[text.rindex("*/\n\n#include") :]
    # Every object outside of a function is constant, and floating point is in the two functions of `quantize` alone.
    objects = [line for line in code.splitlines() if line.startswith("static") and line.endswith("= {")]
    assert objects
    assert all(line.startswith("static const ") for line in objects)
    functions = code.split("\n}\n")
    with_floats = [each for each in functions if "float " in each.split("\n{\n")[0].splitlines()[-1]]
    assert len([each for each in functions if "float" in each.partition("\n{\n")[2]]) == 0
    assert len(with_floats) == 2


def test_a_raw_row_is_scaled_as_the_runtime_scales_it(program: Program, card: Card, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    offset, factor = (tuple(map(float, random.normal(2, 0.5, 28).astype(np.float32))) for _ in range(2))
    factor = tuple(map(abs, factor))
    spec = replace(card.inputs[0], offset=offset, factor=factor)
    model = compiled(program, replace(card, inputs=(spec,)), tmp_path)
    raw = random.normal(2, 0.5, 28).astype(np.float32)
    scaled = (raw - np.array(offset, np.float32)) * np.array(factor, np.float32)
    library = ctypes.CDLL(str(tmp_path / f"{tmp_path.name}.so"))
    found, integers = np.empty(28, np.float32), np.empty(28, np.int8)
    library.digits_scale(ctypes.c_void_p(raw.ctypes.data), ctypes.c_void_p(found.ctypes.data))
    library.digits_quantize(ctypes.c_void_p(raw.ctypes.data), ctypes.c_void_p(integers.ctypes.data))
    assert np.array_equal(found, scaled)
    # The backend gets scaled rows.
    assert np.array_equal(model.encode(scaled[np.newaxis])[0], integers)


def test_two_models_link_into_one_program_and_labels_are_optional(program: Program, card: Card, tmp_path: Path) -> None:
    label = '*/ "x" ??/ \\ ж'
    named = replace(card, outputs=(replace(card.outputs[0], labels=(label, *card.labels[1:])),))
    main = (
        '#include <stdio.h>\n#include "one.h"\n#include "two.h"\n'
        "int main(void)\n{\n    static int8_t rows[28 * 28], a[10], b[10];\n"
        "    one_predict(rows, a);\n    two_predict(rows, b);\n"
        "    return a[0] != b[0] || puts(one_labels[0]) < 0;\n}\n"
    )
    files = files_of(program, named, "one") | files_of(program, card, "two") | {"main.c": main}
    defined = {name: f"#define ONE_WITH_LABELS\n{text}" for name, text in files.items()}
    assert run_program(defined, tmp_path) == f"{label}\n"
    assert read_card(seal(files["one.c"].encode())).labels[0] == label
    assert "one_labels" not in files["one.c"].partition("#ifdef ONE_WITH_LABELS")[0]


def test_the_program_of_the_page_compiles(program: Program, card: Card, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "microcontrollers.md").read_text("utf-8")
    block, _ = re.findall(r"```c\n(.*?)```", page, re.S)
    block = block.replace("void setup", "void setup_model(void);\nint next_row(const float *sensor);\nvoid setup", 1)
    main = (
        f"{block}int main(void)\n{{\n    static float row[28];\n    setup_model();\n    return next_row(row) > 9;\n}}\n"
    )
    assert run_program(files_of(program, card, "digits-int8") | {"main.c": main}, tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits-int8", "digits_int8"),
        ("Digits 2 (b)", "digits_2_b"),
        ("2x", "model_2x"),
        ("int", "model_int"),
        ("модель", "u43cu43eu434u435u43bu44c"),
        ("--", "model"),
    ],
)
def test_any_name_becomes_an_identifier(name: str, expected: str) -> None:
    assert identifier(name) == expected


@pytest.mark.parametrize("number", [0.0, 1.0, -3.5e-30, 0.1, 16777216.0, 3.4e38, float("inf")])
def test_a_float_is_written_with_all_its_bits(number: float) -> None:
    text = float_text(float(np.float32(number)))
    assert text == "INFINITY" or np.float32(text.removesuffix("f")) == np.float32(number)


def test_a_program_that_c_lacks_is_refused_by_name(program: Program) -> None:
    whole = replace(program, states=())
    with pytest.raises(UnsupportedError, match="a step without states"):
        make_layout(whole)
    reduced = replace(program, answer=(Reduce("sum", 6, 7, 1, 64, 1), *program.answer[1:]))
    with pytest.raises(UnsupportedError, match="operator sum of int8"):
        make_source(reduced, "digits")
    values = int8(1, 300, scale=0.1), int8(1, 1, scale=0.1)
    with pytest.raises(UnsupportedError, match="MEAN of 300 int8 elements, expected at most 255"):
        make_source(streaming(values, Reduce("mean", 0, 1, 1, 300, 1)), "mean")
    # Real numbers between integers.
    mixed = replace(program, step=(Function(1, 1, "tanh"), *program.step))
    with pytest.raises(UnsupportedError, match="Function of float32 in a program of int8"):
        make_source(mixed, "digits")


def streaming(values: Sequence[Value], operator: Operator, constants: Mapping[int, bytes] | None = None) -> Program:
    """Return a program that answers each row with the result of an operator."""
    one_operator = whole(values, [operator], constants)
    count = len(values)
    state, before = ProgramState(before=count, after=count - 1, zero=0), replace(values[-1], base=count)
    row = replace(float32(*values[0].shape[1:]), base=count + 1)
    return replace(
        one_operator,
        values=(*one_operator.values, before, row),
        input=count + 1,
        rows=(Quantize(count + 1, 0),),
        step=(operator,),
        answer=(),
        states=(state,),
        answers_every_step=True,
    )


def integer_operators() -> Iterator[tuple[Program, str]]:
    """Yield operators of int8 with many scales, and what each is."""
    random = np.random.default_rng(4)
    for _ in range(3):
        scale, other = (float(np.exp(random.uniform(-7, 0))) for _ in range(2))
        zeros = random.integers(-128, 128, 3).tolist()
        for outer, count, inner in ((1, 24, 1), (4, 1, 6), (2, 3, 4), (1, 255, 1)):
            values = int8(1, outer * count * inner, scale=scale, zero_point=zeros[0])
            for kind, result in (("mean", scale * random.uniform(0.1, 1.5)), ("max", scale)):
                out = int8(1, outer * inner, scale=result, zero_point=zeros[0 if kind == "max" else 1])
                yield streaming([values, out], Reduce(kind, 0, 1, outer, count, inner)), f"{kind} of {count}"
        # A mean of the same scale, whose results are often exactly between two integers.
        same = int8(1, 16, scale=0.5, zero_point=zeros[0]), int8(1, 1, scale=0.5, zero_point=zeros[1])
        yield streaming(same, Reduce("mean", 0, 1, 1, 16, 1)), "mean of the same scale"
        a, b = int8(1, 64, scale=scale, zero_point=zeros[0]), int8(1, 16, scale=other, zero_point=zeros[1])
        out = int8(1, 64, scale=max(scale, other) ** 2 * random.uniform(0.01, 5), zero_point=zeros[2])
        square = Binary("squared_difference", 0, 1, 2, random.choice([1, 4]).item(), False, -128, 127)
        content = random.integers(-128, 128, 16).astype(np.int8).tobytes()
        yield streaming([a, b, out], square, {1: content}), "squared difference"


def test_integer_operators_have_the_bits_of_the_oracle(card: Card, tmp_path: Path) -> None:
    random, files, programs = np.random.default_rng(5), {}, list(integer_operators())
    for number, (program, _) in enumerate(programs):
        files |= files_of(program, card, f"operator_{number}")
    library = tmp_path / "operators.so"
    compile_library(find_compiler(), files, library)
    for number, (program, name) in enumerate(programs):
        model = CompiledModel(library, make_source(program, f"operator_{number}"), "C", scaled=False)
        value = program.values[0]
        integers = random.integers(-128, 128, (200, 1, math.prod(value.shape)))
        integers[:100] = np.clip(integers[:100] // 16 + random.integers(-128, 128, (100, 1, 1)), -128, 127)
        rows = ((integers - value.zero_point) * value.scale).astype(np.float32)
        found = model.predict(integers.astype(np.int8))
        assert np.array_equal(found.reshape(200, -1), oracle.answer(program, rows).reshape(200, -1)), name


@pytest.mark.parametrize(
    ("quantization", "error", "way_out"),
    [
        ("int8", UnsupportedError, "; try --quantize float32"),
        ("int8", UnknownOperatorError, ""),
        ("float32", UnsupportedError, ""),
    ],
)
def test_a_refused_int8_program_has_a_way_out(
    monkeypatch: pytest.MonkeyPatch, quantization: str, error: type[UnsupportedError], way_out: str
) -> None:
    def refuse(*_: Any) -> None:
        raise error("operator Reduce")

    made = Mock(**{"convert.return_value.embed_card.return_value": DIGITS})
    monkeypatch.setattr("edgernn_export.formats.c.format._format_of", lambda _: made)
    monkeypatch.setattr("edgernn_export.formats.c.c_files.CFiles", refuse)
    layers = "'a' (RMSNormalization)", "'b' (activation celu)", "'c' (ELU)", "'d' (Dot)"
    source = Mock(**{"original.name": "digits", "special_layers": layers})
    with pytest.raises(UnsupportedError) as caught:
        CFormat().convert(source, Target("c", quantization, "step"), True)
    origin = "; this may come from layer 'a' (RMSNormalization), 'b' (activation celu), 'c' (ELU) and 1 more"
    assert str(caught.value) == f"C source does not support operator Reduce{origin}{way_out}"


def test_a_layer_with_the_name_of_the_operator_is_named_first() -> None:
    layers = "'a' (RMSNormalization)", "'b' (activation log_softmax)", "'p_re_lu' (PReLU)", "'d' (Dot)"
    assert find_origins("operator PRELU", layers) == ["'p_re_lu' (PReLU)"]
    assert find_origins("LOG_SOFTMAX of int8 to int8", layers) == ["'b' (activation log_softmax)"]
    assert find_origins("operator CUMSUM", layers) == layers


def test_the_layers_that_a_format_may_lack_are_named() -> None:
    from keras import Input, Model, Sequential, layers

    from edgernn_export.keras_model import special_layers

    inside = Sequential([Input((4,)), layers.RMSNormalization(name="rms"), layers.Dense(3, "celu", name="rare")])
    x = Input((5, 2))
    plain = layers.Dense(2, "relu")(inside(layers.Dropout(0.1)(layers.GRU(4)(x))))
    assert special_layers(Model(x, plain)) == ("'rms' (RMSNormalization)", "'rare' (activation celu)")


def test_without_a_compiler_the_file_is_proven_by_its_program(
    program: Program, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgernn_export.formats.c.c_files.find_compiler", list)
    files = CFiles(program, DIGITS, "digits")
    data = seal(files.embed_card(card.encode()))
    assert not isinstance(files.open(data), CompiledModel)
    monkeypatch.setattr(cortex_m, "measure_sizes", lambda *_: [])
    monkeypatch.setattr(cortex_m, "count_instructions", lambda *_: None)
    assert files.describe(data) == DeviceFacts(
        7_760,
        102,
        (
            "7,760 bytes of constants; 102 bytes of RAM for a stream with its row and answer",
            (
                "not compiled here: no C compiler was found, so the proof ran the .tflite file of the same program; "
                "install gcc, clang or the package ziglang to prove the source itself"
            ),
        ),
    )
    assert set(files.companions(data)) == {"digits.h", "digits_test.c"}


def test_its_size_on_small_cores_is_that_of_constants_and_code(program: Program, card: Card) -> None:
    sizes = cortex_m.measure_sizes(files_of(program, card), "digits")
    assert [each.core for each in sizes] == ["Cortex-M0+", "Cortex-M3"]
    for each in sizes:
        # 7,760 bytes of constants.
        assert 8_200 < each.flash_bytes < 8_900, each
        assert each.stack_bytes <= 320


def test_without_a_compiler_for_arm_there_are_no_sizes(
    program: Program, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cortex_m, "find_arm_compiler", lambda _core: [])
    files = files_of(program, card)
    assert cortex_m.measure_sizes(files, "digits") == []
    assert cortex_m.count_instructions(files, "digits") is None


def test_a_compiler_that_refuses_the_source_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"the C compiler .* refuses the file: .*error"):
        compile_library(find_compiler(), {"wrong.c": "int wrong(void) { return x; }"}, tmp_path / "wrong.so")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            "no-such-compiler -O2",
            "the C compiler in the environment variable CC, 'no-such-compiler -O2', was not found",
        ),
        ("'gcc", "was not found; set CC to the C compiler of this computer, or unset it"),
        # It makes no file, as a compiler for another machine makes none that can be loaded.
        (f"{sys.executable} -c pass", r"cannot load the library that the C compiler made .*; set CC to the C compiler"),
    ],
)
def test_a_wrong_compiler_in_the_environment_is_one_line(
    program: Program, card: Card, monkeypatch: pytest.MonkeyPatch, wanted: str, message: str
) -> None:
    monkeypatch.setenv("CC", wanted)
    with pytest.raises(ExportError, match=message):
        files = CFiles(program, DIGITS, "digits")
        files.open(seal(files.embed_card(card.encode())))


def test_a_compiler_in_the_environment_may_have_options(monkeypatch: pytest.MonkeyPatch) -> None:
    command = find_compiler()
    monkeypatch.setenv("CC", f"{shlex.join(command)} -O1")
    assert find_compiler() == [*command, "-O1"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a GRU and an LSTM as C, and the .tflite files of the same program."""
    folder = tmp_path_factory.mktemp("c")
    rows = export_cells(folder)
    assert all(row.proof and row.proof.streamed and row.proof.stream_difference == 0 for row in rows[:2])
    assert [row.runs_here for row in rows[:2]] == [False, False]
    assert all(row.device and "bytes of RAM" in row.device.sentences[0] for row in rows[:2])
    assert choose_source(rows, "mcu") is rows[0]
    assert choose_by_device(rows, None) == {"mcu": "cells-int8.c"}
    assert choose_source(rows, "pi4") is choose_source(rows[2:], "mcu") is None
    return folder


@pytest.mark.parametrize(("kind", "tolerance"), [("int8", 0.0), ("float32", 2e-6)])
def test_an_export_of_cells_with_gates_answers_as_the_oracle(exported: Path, kind: str, tolerance: float) -> None:
    program = read_program((exported / f"cells-{kind}-loop.tflite").read_bytes())
    files = {each.name: each.read_text("utf-8") for each in exported.glob(f"cells-{kind}.[ch]")}
    library = exported / f"{kind}.so"
    compile_library(find_compiler(), files, library)
    model = CompiledModel(library, make_source(program, f"cells-{kind}"), "C", scaled=False)
    x = np.random.default_rng(5).normal(size=(200, 6, 3)).astype(np.float32)
    (answers,) = model.run((x,))
    np.testing.assert_allclose(answers, oracle.answer(program, x), rtol=0, atol=tolerance)
    assert np.array_equal(streamed(model, x[:20])[:, -1], answers[:20])


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_the_test_beside_an_export_passes(exported: Path, kind: str, tmp_path: Path) -> None:
    files = {each.name: each.read_text("utf-8") for each in exported.glob(f"cells-{kind}[._]*[ch]")}
    assert len(files) == 3
    written = run_program(files, tmp_path)
    assert f"cells_{kind}: 4 samples, 0 wrong numbers, 0 streams that differ" in written
    broken = {name: re.sub(r"(?m)(weights_1.*\n    \{)", r"\g<1>99, ", text, count=1) for name, text in files.items()}
    shifted = {name: re.sub(r"(\{99, .*), [-0-9.ef]+\}", r"\1}", text, count=1) for name, text in broken.items()}
    with pytest.raises(subprocess.CalledProcessError):
        run_program(shifted, tmp_path)
