"""The extension in C: instruction sets, kernels with the oracle's answers, and plans and buffers that do not fit."""

import re
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import made_up_programs
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up_programs import INF, Product, every_operator, float32, float_product, int8, whole
from program import batches, oracle

import edgernn
from edgernn.backends import native
from edgernn.backends.native import VARIABLE, open_artifact
from edgernn.errors import InputError, SettingError
from edgernn.program.operators import FLOAT32, Binary, Dequantize, Function, Linear, Program, Quantize, Table
from edgernn.program.plan import EnginePlan, make_plan

if sys.platform == "linux":
    from edgernn import _native

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the extension is built for Linux only")

SOURCES = Path(__file__).parents[2] / "runtime" / "native"
# What /proc/cpuinfo calls the parts of each instruction set, from slow to fast.
X86 = {
    "avx2": {"avx2", "fma"},
    "avxvnni": {"avx2", "fma", "avx_vnni"},
    "avx512vnni": (avx512 := {"avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"}),
    "avx512vbmi": avx512 | {"avx512vbmi"},
}
# Kernels that are in the file of others.
FILES = {"avx512vbmi": "avx512vnni"}
ARM = {"neon": {"asimd"}, "neondot": {"asimd", "asimddp"}}
SAMPLES = 2
# Of sums in another order, relative to values of about 1.
FLOAT_TOLERANCE = 3e-5
SIZES = st.integers(1, 130)
INTEGERS = st.integers(-128, 127)


def test_it_finds_the_instruction_sets_that_linux_reports() -> None:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^(flags|Features)\s*:(.*)$", lines, re.M)
    assert found
    words = set(found[2].split())
    known = X86 if found[1] == "flags" else ARM
    files = {name: SOURCES / f"kernels_{FILES.get(name, name)}.c" for name in known}
    usable = [name for name, parts in known.items() if parts <= words and files[name].exists()]
    assert _native.instruction_sets() == ("scalar", *usable)


def make_input(program: Program, samples: int = SAMPLES) -> Any:
    value = program.values[program.input]
    shape = (samples, program.steps, *value.shape[2:])
    random = np.random.default_rng(0)
    if value.type == FLOAT32:
        return random.normal(size=shape).astype(np.float32)
    return random.integers(-128, 128, shape).astype(np.int8)


def answers_of(program: Program, x: Any, like: Any) -> list[Any]:
    """Return the answers of every instruction set of this machine, in arrays like the given one."""
    plan = make_plan(program)
    answers = [np.empty_like(like) for _ in _native.instruction_sets()]
    for name, each in zip(_native.instruction_sets(), answers, strict=True):
        assert _native.Program(plan.words, plan.constants, name).run(len(x), x, each)
    return answers


def check_equal(program: Program) -> None:
    x = make_input(program)
    right = oracle.answer(program, x)
    for name, each in zip(_native.instruction_sets(), answers_of(program, x, right), strict=True):
        np.testing.assert_array_equal(each, right, err_msg=name)


def check_near(program: Program) -> None:
    x = make_input(program)
    right = oracle.answer(program, x)
    for name, each in zip(_native.instruction_sets(), answers_of(program, x, right), strict=True):
        np.testing.assert_allclose(each, right, rtol=FLOAT_TOLERANCE, atol=FLOAT_TOLERANCE, err_msg=name)


# Kernels


@settings(max_examples=60, deadline=None)
@given(
    made=st.builds(
        Product,
        rows=st.integers(1, 4),
        inputs=SIZES,
        outputs=SIZES,
        zero_point=INTEGERS,
        out_zero_point=INTEGERS,
        low=st.integers(-128, 0),
        high=INTEGERS.filter(lambda high: high >= 0),
        has_addend=st.booleans(),
        has_table=st.booleans(),
        multiplier=st.sampled_from([1e-6, 1e-4, 1e-3, 0.1, 255.0]),
        seed=st.integers(0, 1 << 16),
    )
)
def test_a_product_and_what_is_fused_to_it_has_the_bits_of_the_oracle(made: Product) -> None:
    check_equal(made.program())


@settings(max_examples=40, deadline=None)
@example(kind="add", size=9, zero_points=(0, 0, 0), scales=(0.02, 0.02, 0.02), swapped=False, low=0)
@given(
    kind=st.sampled_from(["add", "subtract", "multiply"]),
    size=SIZES,
    zero_points=st.tuples(INTEGERS, INTEGERS, INTEGERS),
    scales=st.tuples(*[st.sampled_from([0.001, 0.0078125, 0.02, 0.1])] * 3),
    swapped=st.booleans(),
    low=st.integers(-128, 0),
)
def test_integers_of_two_arrays_have_the_bits_of_the_oracle(
    kind: str,
    size: int,
    zero_points: tuple[int, int, int],
    scales: tuple[float, float, float],
    swapped: bool,
    low: int,
) -> None:
    a, b, out = (int8(2, size, scale=s, zero_point=z) for s, z in zip(scales, zero_points, strict=True))
    constant = np.random.default_rng(size).integers(-128, 128, 2 * size).astype(np.int8).tobytes()
    check_equal(whole([a, b, out], [Binary(kind, 0, 1, 2, 1, swapped, low, 127)], {1: constant}))


@settings(max_examples=30, deadline=None)
@given(size=SIZES, zero_point=INTEGERS, scale=st.sampled_from([0.001, 0.03, 1.0]), seed=st.integers(0, 99))
def test_tables_and_changes_of_type_have_the_bits_of_the_oracle(
    size: int, zero_point: int, scale: float, seed: int
) -> None:
    table = np.random.default_rng(seed).integers(-128, 128, 256).astype(np.int8).tobytes()
    integers = int8(2, size, scale=scale, zero_point=zero_point)
    operators = [Quantize(0, 1), Table(1, 2, table), Dequantize(2, 3)]
    check_equal(whole([float32(2, size), integers, integers, float32(2, size)], operators))


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 4), inputs=SIZES, outputs=SIZES)
def test_float_products_are_near_those_of_the_oracle(rows: int, inputs: int, outputs: int) -> None:
    check_near(float_product(rows, inputs, outputs))


def test_products_that_share_weights_share_memory_only_where_they_are_the_same() -> None:
    random = np.random.default_rng(0)
    multipliers = (0.002,) * 6
    matrices = [random.integers(-127, 128, 36).astype(np.int8).tobytes() for _ in range(20)]
    # More matrices than are kept, each once with another zero point and twice with the same one.
    order = [number for number in range(20) for _ in range(3)]
    zero_points = [(0, 5, 0)[place % 3] for place in range(len(order) + 1)]
    operators = [
        Linear(place, place + 1, 6, 6, matrices[number], b"", multipliers, -128, 127)
        for place, number in enumerate(order)
    ]
    program = whole([int8(1, 6, zero_point=zero_point) for zero_point in zero_points], operators)
    check_equal(program)
    assert len(make_plan(program).constants) == 20 * 36 + 4 * len(multipliers)


@pytest.mark.parametrize("name", every_operator())
def test_every_operator_answers_as_the_oracle(name: str) -> None:
    program = every_operator()[name]
    is_integer = {value.type for value in program.values} == {"int8"} or name == "recurrent"
    (check_equal if is_integer else check_near)(program)


@pytest.mark.parametrize(
    "name", ["tanh", "logistic", "relu", "relu6", "exp", "abs", "neg", "square", "gelu", "elu", "hard_swish"]
)
def test_float_functions_are_near_numpys(name: str) -> None:
    program = whole([float32(1, 801), float32(1, 801)], [Function(0, 1, name)])
    x = np.linspace(-20, 20, 801, dtype=np.float32)[np.newaxis, np.newaxis]
    right = oracle.answer(program, x)
    for each in answers_of(program, x, right):
        np.testing.assert_allclose(each, right, rtol=1e-6, atol=3e-7)


def test_a_stream_gives_the_answers_of_the_whole_and_keeps_states_of_the_row_alone() -> None:
    for program in (made_up_programs.recurrent(units=37), made_up_programs.last_row()):
        plan, x = make_plan(program), make_input(program)
        right = oracle.stream(program, x)
        for name in _native.instruction_sets():
            engine = _native.Program(plan.words, plan.constants, name)
            whole_answers, answer = np.empty_like(right), np.empty_like(right[0, 0])
            assert engine.run(SAMPLES, x, whole_answers)
            np.testing.assert_array_equal(whole_answers, right)
            states = engine.zero_states()
            for row, expected in zip(x[0], right[0], strict=True):
                assert engine.step(row, states, answer)
                np.testing.assert_array_equal(answer, expected)


# Batches


@pytest.mark.parametrize("name", [*every_operator(), "37 units", "64 units", "96 units"])
def test_a_batch_has_the_bits_of_its_samples_alone(name: str) -> None:
    if name in every_operator():
        program = every_operator()[name]
    else:
        units = int("".join(each for each in name if each.isdigit()))
        program = made_up_programs.recurrent(units=units, features=units // 3)
    batches.check_bits(program, make_input(program, batches.SAMPLES))


def test_the_memory_of_a_batch_is_bounded() -> None:
    found = set()
    for steps in (1, 2_000, 20_000, 200_000):
        plan = make_plan(made_up_programs.recurrent(units=16, steps=steps))
        engine = _native.Program(plan.words, plan.constants)
        assert engine.lanes * engine.work_bytes <= engine.work_bytes + (1 << 20)
        found.add(engine.lanes)
    assert min(found) == 1
    assert len(found) > 2


def test_a_batch_that_is_not_finite_is_refused_wherever_the_number_is() -> None:
    program = made_up_programs.recurrent()
    plan, x = make_plan(program), make_input(program, 40)
    for sample in (0, 15, 16, 39):
        wrong = x.copy()
        wrong[sample, 0, 0] = np.nan
        for name in _native.instruction_sets():
            engine = _native.Program(plan.words, plan.constants, name)
            assert not engine.run(len(x), wrong, bytearray(len(x) * engine.answer_bytes))


def test_a_model_answers_a_batch_with_the_bits_of_single_samples() -> None:
    model = edgernn.load(edgernn.sample(), backend="native")
    x = np.random.default_rng(0).random((35, *model.input_shape), np.float32)
    right = np.stack([model.predict(sample) for sample in x])
    for size in (1, 2, 15, 16, 17, 35):
        np.testing.assert_array_equal(model.predict(x[:size]), right[:size])
    # Inputs that the common path reads.
    for other in (x.astype(np.float64), np.asfortranarray(x), x.tolist()):
        np.testing.assert_array_equal(model.predict(other), right)
    np.testing.assert_array_equal(model.predict(x[::2]), right[::2])


def test_a_batch_that_needs_a_closer_look_gets_it() -> None:
    model = edgernn.load(edgernn.sample(), backend="native")
    x = np.random.default_rng(0).random((20, *model.input_shape), np.float32)
    for number in (np.nan, np.inf, -np.inf):
        wrong = x.copy()
        wrong[-1, -1, -1] = number
        with pytest.raises(InputError, match="NaN or infinity"):
            model.predict(wrong)
    with pytest.raises(InputError, match="shape"):
        model.predict(x[:0])
    with pytest.raises(InputError, match="shape"):
        model.predict(x[:, :-1].copy())
    with pytest.raises(InputError, match="divide by 255"):
        model.predict(x * np.float32(255))


# Numbers that are not finite


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_refused(number: float) -> None:
    program = made_up_programs.recurrent()
    plan, x = make_plan(program), make_input(program)
    x[-1, -1, -1] = number
    for name in _native.instruction_sets():
        engine = _native.Program(plan.words, plan.constants, name)
        assert not engine.run(SAMPLES, x, bytearray(SAMPLES * engine.answer_bytes))
        assert not engine.step(x[-1, -1], engine.zero_states(), bytearray(engine.step_answer_bytes))
    backend = open_artifact(edgernn.sample().read_bytes(), 1)
    sample = np.full((1, *backend.input_shapes[0]), number, np.float32)
    with pytest.raises(InputError, match="NaN or infinity"):
        backend.run((sample,))
    with pytest.raises(InputError, match="NaN or infinity"):
        backend.start().step((sample[0, 0],))


def test_nan_between_kernels_stays_nan_and_becomes_the_lowest_integer() -> None:
    weights = np.array([[np.nan], [np.inf], [1]], "<f4").tobytes()
    product = Linear(0, 1, 1, 3, weights, b"", (), -INF, INF)
    shape = (1, 3)
    values = [float32(1, 1), float32(*shape), float32(*shape)]
    x = np.zeros((1, 1, 1), np.float32)  # 0 × infinity is NaN, too
    for answers in answers_of(whole(values, [product, Function(1, 2, "tanh")]), x, np.empty(3, np.float32)):
        np.testing.assert_array_equal(answers, np.float32([np.nan, np.nan, 0]))
    quantized = whole([*values[:2], int8(*shape, zero_point=-3)], [product, Quantize(1, 2)])
    for answers in answers_of(quantized, x, np.empty(3, np.int8)):
        assert answers.tolist() == [-128, -128, -3]


# Plans and buffers that do not fit


@pytest.fixture(scope="module")
def plans() -> list[EnginePlan]:
    return [make_plan(program) for program in every_operator().values()]


def test_a_plan_that_is_cut_off_is_refused(plans: list[EnginePlan]) -> None:
    for plan in plans:
        for length in range(len(plan.words)):
            with pytest.raises(ValueError, match="plan"):
                _native.Program(plan.words[:length], plan.constants)
        with pytest.raises(ValueError, match="too long"):
            _native.Program(plan.words + bytes(4), plan.constants)


def test_a_plan_with_any_other_word_is_refused_or_runs(plans: list[EnginePlan]) -> None:
    accepted = refused = 0
    for plan in plans:
        words = array("i", plan.words)
        for place, word in enumerate(words):
            for other in (word + 1, word - 1, 0, -1, 1 << 20, (1 << 31) - 1, -(1 << 31), 0x7FC00000):
                if other == word:
                    continue
                words[place] = other
                try:
                    engine = _native.Program(words, plan.constants)
                except ValueError as error:
                    refused += 1
                    assert str(error)
                else:
                    accepted += 1
                    _run_once(engine)
            words[place] = word
    assert accepted > 100
    assert refused > 1000


def _run_once(engine: Any) -> None:
    if engine.work_bytes > 1 << 20 or engine.answer_bytes > 1 << 20:
        return
    row, answer = bytearray(engine.row_bytes), bytearray(engine.step_answer_bytes)
    engine.run(1, bytes(engine.steps * engine.row_bytes), bytearray(engine.answer_bytes))
    if engine.state_bytes:
        engine.step(row, engine.zero_states(), answer)


def test_constants_that_are_missing_are_refused(plans: list[EnginePlan]) -> None:
    for plan in plans:
        for length in range(len(plan.constants)):
            with pytest.raises(ValueError, match="constant"):
                _native.Program(plan.words, plan.constants[:length])


def test_buffers_of_another_size_are_refused() -> None:
    plan = make_plan(made_up_programs.recurrent())
    engine = _native.Program(plan.words, plan.constants)
    x, answers = bytes(engine.steps * engine.row_bytes), bytearray(engine.answer_bytes)
    assert engine.run(1, x, answers)
    assert engine.run(0, b"", bytearray())
    for wrong in ((1, x[:-1], answers), (1, x, answers[:-1]), (2, x, answers), (0, x, answers), (1 << 40, x, answers)):
        with pytest.raises(ValueError, match=r"has \d+ bytes, expected \d+ at a multiple of 4"):
            engine.run(*wrong)
    with pytest.raises(ValueError, match="at a multiple of 4"):
        engine.run(1, memoryview(bytes(1) + x)[1:], answers)
    with pytest.raises(TypeError, match="the number of samples"):
        engine.run(-1, x, answers)
    with pytest.raises(ValueError, match=r"4611686018427387904 times \d+ bytes are too many"):
        engine.run(1 << 62, x, answers)
    with pytest.raises(BufferError):
        engine.run(1, x, bytes(answers))
    states = engine.zero_states()
    row, answer = bytes(engine.row_bytes), bytearray(engine.step_answer_bytes)
    for parts in ((x, states, answer), (row, states[:-1], answer), (row, states, answers)):
        with pytest.raises(ValueError, match="expected"):
            engine.step(*parts)
    assert engine.step(row, states, answer)
    plan = make_plan(float_product(1, 1, 1))
    with pytest.raises(TypeError, match="the program has no step"):
        _native.Program(plan.words, plan.constants).step(row, states, answer)


# Threads and choices


def test_threads_that_share_a_program_get_the_same_bits() -> None:
    backend = open_artifact(edgernn.sample().read_bytes(), 1)
    x = np.random.default_rng(0).uniform(size=(8, 64, *backend.input_shapes[0])).astype(np.float32)
    right = [backend.run((each,))[0] for each in x]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda each: backend.run((each,))[0], x))
            assert all(np.array_equal(one, other) for one, other in zip(found, right, strict=True))


def test_the_variable_selects_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    data = edgernn.sample().read_bytes()
    names = _native.instruction_sets()
    for name in names:
        monkeypatch.setenv(VARIABLE, name)
        assert open_artifact(data, 1).name.endswith(f" {name}")
    monkeypatch.setenv(VARIABLE, "")
    assert open_artifact(data, 1).name.endswith(f" {names[-1]}")


def test_an_unknown_instruction_set_names_those_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "scalr")
    listed = ", ".join(_native.instruction_sets())
    with pytest.raises(SettingError) as caught:
        open_artifact(edgernn.sample().read_bytes(), 1)
    assert str(caught.value).startswith(
        f"{VARIABLE}='scalr': not an instruction set of this machine; expected {listed}"
    )
    assert "scalar" in str(caught.value).removeprefix(listed)
    plan = make_plan(made_up_programs.recurrent())
    with pytest.raises(ValueError, match="this machine has no instruction set 'scalr'"):
        _native.Program(plan.words, plan.constants, "scalr")


def test_kernels_compiled_from_other_sources_are_left_out_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "INTERFACE", native.INTERFACE - 1)
    assert edgernn.load(edgernn.sample()).backend.startswith("litert")
    expected = rf"have interface {native.INTERFACE - 1}, this edgernn expects {native.INTERFACE}; run `make native`"
    with pytest.raises(edgernn.ArtifactError, match=expected):
        edgernn.load(edgernn.sample(), backend="native")
