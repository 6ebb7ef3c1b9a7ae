"""The writer: writes a program and its card as a C source file and a header."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from edgernn.card import Card
from edgernn.program.operators import ELEMENT_BYTES, INT8, Program
from edgernn_export.formats.c import float_statements, integer_statements
from edgernn_export.formats.c.c_text import constant_text, function_text, in_comment, string_literal
from edgernn_export.formats.c.emitter import C_TYPES, Constant, Emitter, float_text
from edgernn_export.formats.c.helpers import definitions
from edgernn_export.formats.c.layout import INPUT, OUT, ROW, STATE, Body, Layout, Step, make_layout
from edgernn_export.formats.c.naming import identifier

_MATH = re.compile(r"\b(tanhf|expf|expm1f|erff|sqrtf|fabsf|fminf|fmaxf|logf|INFINITY)\b")


@dataclass(frozen=True)
class CSource:
    """A program as C.

    Attributes:
        prefix: prefix of all external names.
        layout: layout of the program.
        constants: constant arrays.
        quantize, step, answer: statements of the C functions.
        helpers: names of the helper functions that these call.
    """

    prefix: str
    layout: Layout
    constants: tuple[Constant, ...]
    quantize: tuple[str, ...]
    step: tuple[str, ...]
    answer: tuple[str, ...]
    helpers: frozenset[str]

    @property
    def c_type(self) -> str:
        """C type of the elements of rows and answers."""
        return C_TYPES[self._type]

    @property
    def element_bytes(self) -> int:
        """Size of an element of rows and answers."""
        return ELEMENT_BYTES[self._type]

    @property
    def _type(self) -> str:
        return self.layout.program.values[self.layout.row].type

    @property
    def features(self) -> int:
        """Number of elements of a row."""
        return self.layout.elements(self.layout.row)

    @property
    def outputs(self) -> int:
        """Number of elements of an answer."""
        return self.layout.elements(self.layout.answer)


def make_source(program: Program, name: str) -> CSource:
    """Write the functions of a program as C statements.

    Args:
        program: a program with a step.
        name: name of the files, without a suffix.

    Raises:
        UnsupportedError: C source does not support an operator; the message names it.
    """
    layout = make_layout(program)
    emitter = Emitter(program)
    write = integer_statements if layout.is_int8 else float_statements
    for number, content in program.constants.items():
        _add_constant(emitter, number, content)
    fixed = len(emitter.constants)
    step = _statements(emitter, layout.step, write.statements)
    answer = _statements(emitter, layout.answer_of, write.statements)
    front = _statements(emitter, layout.quantize, float_statements.statements)
    read = "\n".join((*step, *answer, *front))
    constants = [
        each for place, each in enumerate(emitter.constants) if place >= fixed or re.search(rf"\b{each.name}\b", read)
    ]
    return CSource(identifier(name), layout, tuple(constants), front, step, answer, frozenset(emitter.helpers))


def _add_constant(emitter: Emitter, number: int, content: bytes) -> None:
    value = emitter.program.values[number]
    view = memoryview(content)
    if value.type == INT8:
        texts, size = [str(each) for each in view.cast("b")], 1
    else:
        texts, size = [float_text(each) for each in view.cast("f")], 4
    # Appended even if an equal array exists: `Body.places` refers to it by the value's number.
    emitter.constants.append(Constant(f"constant_{number}", C_TYPES[value.type], tuple(texts), 0, size * len(texts)))


def _statements(emitter: Emitter, body: Body, write: Callable[[Emitter, Body, Step], list[str]]) -> tuple[str, ...]:
    return tuple(line for operator in body.operators for line in write(emitter, body, operator))


def write_header(source: CSource, card: Card) -> str:
    """Return the text of the header: sizes, scales, the state, and the functions."""
    layout, prefix, upper = source.layout, source.prefix, source.prefix.upper()
    values = layout.program.values
    lines = [
        f"/* {in_comment(card.name)}, made by edgernn {card.edgernn}; the source file explains its memory. */",
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"#define {upper}_STEPS {layout.program.steps} /* rows of a sequence */",
        f"#define {upper}_FEATURES {source.features} /* elements of a row */",
        f"#define {upper}_OUTPUTS {source.outputs} /* elements of an answer */",
        f"#define {upper}_ANSWERS {_answers(source)} /* answers to a sequence */",
    ]
    if layout.is_int8:
        lines += ["", "/* Real number = (integer - zero point) x scale. */"]
        for word, number in (("INPUT", layout.row), ("OUTPUT", layout.answer)):
            lines.append(f"#define {upper}_{word}_SCALE {float_text(values[number].scale)}")
            lines.append(f"#define {upper}_{word}_ZERO_POINT ({values[number].zero_point})")
    lines += [
        "",
        "/* State of a stream: what it keeps from row to row. Each stream needs its own. */",
        "typedef struct {",
        *(f"    {C_TYPES[each.type]} {each.name}[{each.elements}];" for each in layout.fields),
        f"}} {prefix}_state;",
        "",
        *_declarations(source, card),
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        f"#endif /* {upper}_H */",
    ]
    return "\n".join(lines) + "\n"


def _declarations(source: CSource, card: Card) -> list[str]:
    prefix, upper = source.prefix, source.prefix.upper()
    lines = [
        "/* Starts a stream: sets its state to that before the first row. */",
        f"{_init(source)};",
        "",
        f"/* Takes the next row, [{upper}_FEATURES], and writes the answer to all rows so far, [{upper}_OUTPUTS].",
        "If out is a null pointer, no answer is computed, which saves time. */",
        f"{_step(source)};",
        "",
        f"/* Writes the answer to the rows so far, [{upper}_OUTPUTS]. */",
        f"{_answer(source)};",
        "",
        f"/* Answers a sequence: rows [{upper}_STEPS][{upper}_FEATURES], out [{upper}_ANSWERS][{upper}_OUTPUTS]. */",
        f"{_predict(source)};",
    ]
    for signature, comment in _prepare_functions(source, card):
        lines += ["", f"/* {comment} */", f"{signature};"]
    if card.labels:
        lines += [
            "",
            f"/* Names of the outputs, only with -D{upper}_WITH_LABELS. */",
            f"#ifdef {upper}_WITH_LABELS",
            f"extern const char *const {prefix}_labels[{len(card.labels)}];",
            "#endif",
        ]
    return lines


def _prepare_functions(source: CSource, card: Card) -> list[tuple[str, str]]:
    """Return signature and description of the functions that prepare a row of float32 numbers."""
    prefix, scaled = source.prefix, bool(card.inputs[0].factor)
    meaning = in_comment(card.input_meaning) or "the numbers that the model was trained with"
    found = []
    if source.layout.is_int8:
        kind = "raw numbers, in the units of the training samples" if scaled else meaning
        limits = "Numbers outside of the range become -128 or 127, and so does NaN"
        found.append(
            (_quantize(source), f"Quantizes a row: {kind}. {limits}. Floating point is used only to prepare rows.")
        )
    if scaled:
        scale = f"void {prefix}_scale(const float *{ROW}, float *scaled)"
        found.append((scale, f"Scales a row of raw numbers, in the units of the training samples; {meaning}."))
    if scaled and source.layout.is_int8:
        found.append((_quantize(source, "_scaled"), "Quantizes a row that is scaled already."))
    return found


def write_source(source: CSource, card: Card, card_json: str, header: str) -> str:
    """Return the text of the source file.

    Args:
        source: the program.
        card: the model's card.
        card_json: JSON of the card, which becomes a comment.
        header: name of the header file.
    """
    prefix, upper = source.prefix, source.prefix.upper()
    functions = [*_functions(source), *_prepare_definitions(source, card)]
    helpers = definitions(source.helpers)
    uses_math = _MATH.search("\n".join((*functions, *helpers)))
    constants = [constant_text(each) for each in source.constants]
    labels = [
        f"#ifdef {upper}_WITH_LABELS",
        f"const char *const {prefix}_labels[{len(card.labels)}] = {{",
        *(f"    {string_literal(each)}," for each in card.labels),
        "};",
        "#endif",
        "",
    ]
    includes = ["#include <string.h>", *(["#include <math.h>"] if uses_math else [])]
    parts = [
        _introduction(source, card),
        f"/* The card:\n{in_comment(card_json)}\n*/",
        "\n".join([f'#include "{header}"', "", *includes]),
        *constants,
        *helpers,
        *functions,
        *(["\n".join(labels)] if card.labels else []),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _introduction(source: CSource, card: Card) -> str:
    """Return the comment at the top: the origin of the file, and its use of memory."""
    layout, prefix = source.layout, source.prefix
    constant = sum(each.size_bytes for each in source.constants)
    state = sum(each.size_bytes for each in layout.fields)
    kind = "int8" if layout.is_int8 else "float32"
    lines = [
        f"{in_comment(card.name)}, {kind}, made by edgernn {card.edgernn}: C99, no malloc, no static state.",
        "",
        "Memory:",
        f"  constants   {constant:,} bytes, all const, so that the linker puts them into flash",
        f"  state       {state:,} bytes, {prefix}_state, one for each stream, allocated by the caller:",
        *(f"                {each.name:<10} {C_TYPES[each.type]} [{each.elements}]" for each in layout.fields),
        f"  row         {source.features} x {source.c_type}, allocated by the caller",
        f"  out         {source.outputs} x {source.c_type}, allocated by the caller",
    ]
    for name, body in ((f"{prefix}_step", layout.step), (f"{prefix}_answer", layout.answer_of)):
        if body.scratch:
            arrays = ", ".join(f"{each.name} {C_TYPES[each.type]} [{each.elements}]" for each in body.scratch)
            lines.append(f"  stack       in {name}: {arrays}")
    lines += [
        "",
        "Weights are [outputs][inputs].",
    ]
    if layout.is_int8:
        lines += [
            "Biases include the inputs' zero point. Results are sums times multipliers, rounded; see requantize. They",
            "are bit-identical on every core, and to LiteRT with XNNPACK, except that a softmax may differ from LiteRT",
            "by 1/256. The compiler must shift negative integers to the right arithmetically, as those for Cortex-M,",
            "RISC-V and x86 do.",
        ]
    else:
        lines.append(
            "Sums are float32. Compile with -ffp-contract=off: fused multiply-adds would change the last bits."
        )
    return "/* " + "\n".join(lines).rstrip() + " */"


def _functions(source: CSource) -> list[str]:
    layout = source.layout
    reset = [
        f"memset({STATE}->{each.name}, {zero}, sizeof {STATE}->{each.name});"
        for each, zero in zip(layout.fields, layout.zeros, strict=True)
    ]
    kept = [
        f"memcpy({STATE}->{each.name}, {Emitter(layout.program).pointer(layout.step, value)}, "
        f"sizeof {STATE}->{each.name});"
        for each, value in layout.kept
    ]
    step = [
        *source.step,
        "/* states for the next row */",
        *kept,
        f"if ({OUT}) {{",
        f"    {source.prefix}_answer({STATE}, {OUT});",
        "}",
    ]
    return [
        function_text(_init(source), (), reset),
        function_text(_answer(source), layout.answer_of.scratch, [*source.answer, *_put_answer(layout)]),
        function_text(_step(source), layout.step.scratch, step),
        function_text(_predict(source), (), _predict_lines(source)),
    ]


def _put_answer(layout: Layout) -> list[str]:
    """Return the copy of the answer into the output; empty if the answer is computed there."""
    pointer = Emitter(layout.program).pointer(layout.answer_of, layout.answer)
    if pointer == OUT:
        return []
    c_type = C_TYPES[layout.program.values[layout.answer].type]
    return [f"memcpy({OUT}, {pointer}, {layout.elements(layout.answer)} * sizeof({c_type}));"]


def _predict_lines(source: CSource) -> list[str]:
    prefix, upper = source.prefix, source.prefix.upper()
    begin = [f"{prefix}_state state;", f"{prefix}_init(&state);"]
    row = f"rows + i * {upper}_FEATURES"
    if source.layout.program.answers_every_step:
        call = f"{prefix}_step(&state, {row}, {OUT} + i * {upper}_OUTPUTS);"
        return [*begin, f"for (int i = 0; i < {upper}_STEPS; i++) {{", f"    {call}", "}"]
    call = f"{prefix}_step(&state, {row}, 0);"
    loop = [f"for (int i = 0; i < {upper}_STEPS; i++) {{", f"    {call}", "}"]
    return [*begin, *loop, f"{prefix}_answer(&state, {OUT});"]


def _prepare_definitions(source: CSource, card: Card) -> list[str]:
    """Return the definitions of the functions of `_prepare_functions`."""
    spec, prefix, upper, found = card.inputs[0], source.prefix, source.prefix.upper(), []
    layout = source.layout
    if spec.factor:
        arrays = [
            Constant(f"scale_{word}", "float", tuple(map(float_text, numbers)), 0, 4 * len(numbers))
            for word, numbers in (("offset", spec.offset), ("factor", spec.factor))
        ]
        index = (
            "0" if len(spec.factor) == 1 else "i" if len(spec.factor) == source.features else f"i % {len(spec.factor)}"
        )
        right = f"({ROW}[i] - scale_offset[{index}]) * scale_factor[{index}]"
        lines = [f"for (int i = 0; i < {upper}_FEATURES; i++) {{", f"    scaled[i] = {right};", "}"]
        found += [constant_text(each) for each in arrays]
        found.append(function_text(f"void {prefix}_scale(const float *{ROW}, float *scaled)", (), lines))
    if not layout.is_int8:
        return found
    body = [*source.quantize]
    if not spec.factor:
        return [*found, function_text(_quantize(source, parameter=INPUT), layout.quantize.scratch, body)]
    both = [
        f"float scaled[{upper}_FEATURES];",
        f"{prefix}_scale({ROW}, scaled);",
        f"{prefix}_quantize_scaled(scaled, {OUT});",
    ]
    return [
        *found,
        function_text(_quantize(source, "_scaled", parameter=INPUT), layout.quantize.scratch, body),
        function_text(_quantize(source, parameter=ROW), (), both),
    ]


def _init(source: CSource) -> str:
    return f"void {source.prefix}_init({source.prefix}_state *{STATE})"


def _step(source: CSource) -> str:
    number = source.c_type
    return f"void {source.prefix}_step({source.prefix}_state *{STATE}, const {number} *{ROW}, {number} *{OUT})"


def _answer(source: CSource) -> str:
    return f"void {source.prefix}_answer(const {source.prefix}_state *{STATE}, {source.c_type} *{OUT})"


def _predict(source: CSource) -> str:
    return f"void {source.prefix}_predict(const {source.c_type} *rows, {source.c_type} *{OUT})"


def _quantize(source: CSource, suffix: str = "", parameter: str = ROW) -> str:
    return f"void {source.prefix}_quantize{suffix}(const float *{parameter}, int8_t *{OUT})"


def _answers(source: CSource) -> int:
    program = source.layout.program
    return program.steps if program.answers_every_step else 1
