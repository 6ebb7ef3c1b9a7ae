"""Reader of programs from .tflite files."""

from collections.abc import Callable, Mapping

from edgernn import flatbuffer
from edgernn.backends.tflite_file import StepSignature, step_signature
from edgernn.errors import ArtifactError, UnknownOperatorError, UnsupportedError
from edgernn.program import elementwise, linear, shapes, windows
from edgernn.program.builder import Builder, ProgramMemory
from edgernn.program.file_graph import GraphFile, GraphOperator, Subgraph
from edgernn.program.folding import fold
from edgernn.program.loop import append_loop
from edgernn.program.operators import Program, ProgramState
from edgernn.program.pruning import pruned
from edgernn.program.sections import find_sections
from edgernn.specs import is_state, order_states

OPERATORS: Mapping[str, Callable[[Builder, GraphOperator], None]] = {
    **dict.fromkeys(elementwise.KINDS, elementwise.binary),
    **dict.fromkeys(elementwise.FUNCTIONS, elementwise.function),
    "QUANTIZE": elementwise.quantize,
    "DEQUANTIZE": elementwise.dequantize,
    "NOT_EQUAL": elementwise.not_equal,
    "SOFTMAX": elementwise.softmax,
    "SELECT": elementwise.select,
    "SELECT_V2": elementwise.select,
    "CAST": elementwise.cast,
    "LOG_SOFTMAX": elementwise.log_softmax,
    "RELU_N1_TO_1": elementwise.clip,
    "FULLY_CONNECTED": linear.fully_connected,
    "CONV_2D": windows.convolution,
    "DEPTHWISE_CONV_2D": windows.convolution,
    **dict.fromkeys(windows.POOLS, windows.pool),
    **dict.fromkeys(windows.REDUCTIONS, windows.reduction),
    "RESHAPE": shapes.reshape,
    "EXPAND_DIMS": shapes.reshape,
    "SQUEEZE": shapes.reshape,
    "SPLIT": shapes.split,
    "UNPACK": shapes.unpack,
    "CONCATENATION": shapes.concatenation,
    "REVERSE_V2": shapes.reverse,
    "TRANSPOSE": shapes.transpose,
    "PAD": shapes.pad,
    "FILL": shapes.fill,
    "SLICE": shapes.slice_,
    "STRIDED_SLICE": shapes.slice_,
}


def read_program(data: bytes) -> Program:
    """Read the program of a .tflite file: of its signature `step`, or of its first graph if it has no `step`.

    Raises:
        ArtifactError: the file is damaged.
        UnsupportedError: the file has an operator or a type that programs do not support; the message names it.
    """
    try:
        return _read(data)
    except flatbuffer.DAMAGE as error:
        raise ArtifactError(f"damaged, or not a .tflite file: {flatbuffer.describe(error)}") from error


def _read(data: bytes) -> Program:
    file, step = GraphFile(data), step_signature(data)
    return pruned(_read_whole(file) if step is None else _read_step(file, step))


def _read_whole(file: GraphFile) -> Program:
    graph = _known_graph(file, 0)
    _check_count(len(graph.inputs), len(graph.outputs))
    memory = ProgramMemory()
    builder = Builder(graph, memory)
    source, result = add_input(builder, graph.inputs[0]), graph.outputs[0]
    add_operators(builder, file)
    answer = builder.value(result)
    operators = fold(builder.operators, memory, [answer])
    shape, answer_shape = memory.values[source].shape, memory.values[answer].shape
    if len(shape) != 3 or shape[0] != 1:
        raise UnsupportedError(f"an input of shape {shape}, expected (1, steps, features)")
    sections = find_sections(operators, memory.values, (), (), answer)
    return Program(
        values=tuple(memory.values),
        constants=memory.constants,
        rows=(),
        step=(),
        answer=sections.rows,
        states=(),
        input=source,
        output=answer,
        steps=shape[1],
        answers_every_step=len(answer_shape) == 3 and answer_shape[1] == shape[1],
    )


def _read_step(file: GraphFile, step: StepSignature) -> Program:
    """Read the program of the signature `step`; the number of time steps comes from the whole sequence's graph."""
    graph = _known_graph(file, step.graph_number)
    memory = ProgramMemory()
    builder = Builder(graph, memory)
    inputs = dict(zip(step.names.inputs, graph.inputs, strict=True))
    outputs = dict(zip(step.names.outputs, graph.outputs, strict=True))
    rows, answers = ([each for each in names if not is_state(each)] for names in (inputs, outputs))
    _check_count(len(rows), len(answers))
    states, returned = order_states(inputs), order_states(outputs)
    if states != returned:
        raise ArtifactError(f"its step takes the states {states} and returns {returned}; expected the same")
    before = {name: add_input(builder, inputs[name]) for name in states}
    row = add_input(builder, inputs[rows[0]])
    add_operators(builder, file)
    answer = builder.value(outputs[answers[0]])
    for name in states:
        check_state(builder, before[name], outputs[name])
    after = {name: builder.separate(outputs[name], before.values()) for name in states}
    operators = fold(builder.operators, memory, [answer, *after.values()])
    sections = find_sections(operators, memory.values, before.values(), after.values(), answer)
    steps, answers_every_step = _sequence(file, memory.values[row].shape, memory.values[answer].shape)
    return Program(
        values=tuple(memory.values),
        constants=memory.constants,
        rows=sections.rows,
        step=sections.step,
        answer=sections.answer,
        states=tuple(
            ProgramState(before[name], after[name], memory.values[before[name]].zero_point) for name in states
        ),
        input=row,
        output=answer,
        steps=steps,
        answers_every_step=answers_every_step,
    )


def check_state(builder: Builder, before: int, after: int) -> None:
    """Check that the tensor of a state's next value has the shape, type and scale of its value before the step.

    Raises:
        ArtifactError: they differ.
    """
    first, second = builder.memory.values[before], builder.described(after)
    if (first.shape, first.type, first.scale, first.zero_point) != (
        second.shape,
        second.type,
        second.scale,
        second.zero_point,
    ):
        raise ArtifactError(
            f"damaged: its step takes a state of {first.type} {first.shape} with scale {first.scale:g} and returns "
            f"{second.type} {second.shape} with scale {second.scale:g}"
        )


def _sequence(file: GraphFile, row: tuple[int, ...], answer: tuple[int, ...]) -> tuple[int, bool]:
    """Return the number of time steps of a sequence, and True if each has an answer."""
    inputs, outputs = file.ports(0)
    _check_count(len(inputs), len(outputs))
    shape, answers = inputs[0].shape, outputs[0].shape
    if len(row) != 3 or row[:2] != (1, 1) or len(shape) != 3 or shape[::2] != row[::2]:
        raise UnsupportedError(f"a step of rows {row} and sequences {shape}, expected (1, 1, features)")
    if answers == answer:
        return shape[1], len(answer) == 3 and shape[1] == 1
    if len(answer) == 3 and answers == (1, shape[1], *answer[2:]):
        return shape[1], True
    raise UnsupportedError(f"a step with answers of shape {answer} to sequences with answers of shape {answers}")


def _known_graph(file: GraphFile, number: int) -> Subgraph:
    """Return a graph after a check that all its operators are supported.

    This check comes first, because the name of an operator is the clearest reason for a refusal.
    """
    graph = file.graph(number)
    for operator in graph.operators:
        if operator.name != "WHILE" and operator.name not in OPERATORS:
            raise UnknownOperatorError(f"operator {operator.name}")
    return graph


def add_input(builder: Builder, tensor_number: int) -> int:
    """Add the value of a graph's input."""
    if builder.tensor(tensor_number).constant is not None:
        raise ArtifactError("damaged: an input is constant")
    return builder.add(tensor_number)


def add_operators(builder: Builder, file: GraphFile) -> None:
    """Append all operators of the builder's graph."""
    for operator in builder.graph.operators:
        if operator.name == "WHILE":
            append_loop(builder, operator, file, append_operator)
        else:
            append_operator(builder, operator)


def append_operator(builder: Builder, operator: GraphOperator) -> None:
    """Append an operator other than a loop."""
    append = OPERATORS.get(operator.name)
    if append is None:
        raise UnknownOperatorError(f"operator {operator.name}")
    append(builder, operator)


def _check_count(inputs: int, outputs: int) -> None:
    if (inputs, outputs) != (1, 1):
        raise UnsupportedError(f"{inputs} inputs and {outputs} outputs, expected 1 and 1")
