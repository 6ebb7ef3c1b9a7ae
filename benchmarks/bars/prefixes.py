"""Change a .tflite file to answer after its first time steps: the oracle for a stream's intermediate answers.

Only the place where the answer is read changes; weights, scales and kernels stay. So the answer is that of a file
exported for that number of steps with the same scales. This works for models of one SimpleRNN(tanh) that returns its
last output.
"""

from typing import Any

import numpy as np

from edgernn_export.formats.tflite.graph import Graph, Operator, read, write


def cut(data: bytes, steps: int, all_steps: int) -> bytes | None:
    """Return a .tflite file that answers after `steps` time steps as this one does after `all_steps`.

    Args:
        data: file with signature `sequence` in subgraph 0.
        steps: 1 to `all_steps`.
        all_steps: number of steps that the file takes.

    Returns:
        None if a loop takes several steps a round, and `steps` is not a multiple of that number.

    Raises:
        ValueError: the file has an unknown layout.
    """
    model = read(data)
    codes = {_code(model, operator) for operator in model.subgraphs[0].operators}
    if Operator.WHILE in codes:
        possible = _cut_loop(model, steps, all_steps)
    elif Operator.UNIDIRECTIONAL_SEQUENCE_RNN in codes:
        possible = _cut_fused(model, steps)
    else:
        possible = _cut_unrolled(model, steps, all_steps)
    return write(model) if possible else None


def _cut_unrolled(model: Any, steps: int, all_steps: int) -> bool:
    """Redirect readers of the last TANH's output to an earlier one's."""
    operators = model.subgraphs[0].operators
    outputs = [int(operator.outputs[0]) for operator in operators if _code(model, operator) == Operator.TANH]
    if len(outputs) != all_steps:
        raise ValueError(f"{len(outputs)} TANH operators, expected one for each of {all_steps} steps")
    last, wanted = outputs[-1], outputs[steps - 1]
    for operator in operators:
        operator.inputs = [wanted if int(index) == last else int(index) for index in operator.inputs]
    return True


def _cut_loop(model: Any, steps: int, all_steps: int) -> bool:
    """Lower the limit of the condition, a number of rounds."""
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            if _code(model, operator) == Operator.LESS:
                counter, limit = (int(index) for index in operator.inputs)
                (rounds,) = model.buffers[subgraph.tensors[limit].buffer].data.view(np.int32)
                block = all_steps // int(rounds)
                operator.inputs = [counter, _constant(model, subgraph, steps // block)]
                return steps % block == 0
    raise ValueError("no LESS found, expected one in the condition of a WHILE")


def _cut_fused(model: Any, steps: int) -> bool:
    """Read the operator's outputs of all steps at an earlier place."""
    subgraph = model.subgraphs[0]
    (gather,) = (operator for operator in subgraph.operators if _code(model, operator) == Operator.GATHER)
    gather.inputs = [int(gather.inputs[0]), _constant(model, subgraph, steps - 1)]
    return True


def _constant(model: Any, subgraph: Any, value: int) -> int:
    """Add a new constant: other operators may use the existing one, too."""
    return Graph(model, subgraph).constant(np.array([value], np.int32))


def _code(model: Any, operator: Any) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].builtinCode)
