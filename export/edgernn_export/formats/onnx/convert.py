"""ONNX: convert the lowered model by tf2onnx, with ONNX's own operator for each recurrent layer.

By default a file takes any batch. If the model streams, it also takes any number of steps, and each state is an input
and an output. A static file has fixed dimensions: a batch of one, the steps of a sample, no states.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgernn.arrays import AnyArray
from edgernn.card import NAME as CARD_NAME
from edgernn.errors import ExportError
from edgernn.specs import INPUT, OUTPUT
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import keras_model, lowering, rebuilding
from edgernn_export.converter_errors import ours_in, reason_of
from edgernn_export.lowering import PlacedCell, PlacedModel
from edgernn_export.streaming import streams

# The oldest operator set whose DequantizeLinear takes one scale a channel.
OPSET = 13
RECURRENT = ("RNN", "GRU", "LSTM")
_PLACEHOLDER = "CudnnRNNV3"
_MAX_BATCH = np.iinfo(np.int32).max
_DIRECTION_AXIS = np.array([1], np.int64)


def convert(model: Any, stream: bool | None = None, *, static: bool = False) -> bytes:
    """Convert a Keras model to float32 ONNX.

    By default the batch is free. A model that streams also has a free number of steps and, for each state in the order
    of the layers, an input `state_0` … and an output `state_0_out` …, float32 [batch, size]. A missing state is zeros,
    as at the beginning of a sequence. Any other model has a fixed number of steps and no states.

    Args:
        model: as `keras_model.load` returns it; unusable afterwards, because its layers may be rebound.
        stream: whether the file has states; None if the model streams and its states can be converted.
        static: whether all dimensions are fixed, the batch at 1, without states.

    Raises:
        ModelError: the model is not supported.
        UnsupportedError: ONNX has no operator for a recurrent layer.
        ExportError: tf2onnx fails, or the graph needs more than ONNX's own operators.
    """
    for cell in keras_model.cells(model):
        cell.onnx_operator()  # checked first: within tf2onnx its error would look like a failure of tf2onnx
    if static:
        return _convert(model, batch=1)
    if streams(model) if stream is None else stream:
        # Some layers become a loop if the number of steps is free, such as TimeDistributed of a layer other than Dense.
        with suppress(ExportError) if stream is None else nullcontext():
            return _convert(rebuilding.with_steps(model, None), with_states=True)
    return _convert(model)


def embed_card(data: bytes, card: bytes) -> bytes:
    """Put a card into a file's metadata; replace an existing one."""
    proto = onnx.load_from_string(data)
    onnx.helper.set_model_props(proto, {CARD_NAME: card.decode("ascii")})
    embedded: bytes = proto.SerializeToString(deterministic=True)
    return embedded


def _convert(model: Any, with_states: bool = False, batch: int | None = None) -> bytes:
    """Convert a model for its own number of steps, with this batch or a free one."""
    placed = lowering.put_placeholders(model, with_states)
    proto = _trace(placed, [batch, *model.inputs[0].shape[1:]])
    _tidy(proto)
    if with_states:
        _make_states_optional(proto.graph, placed.state_sizes)
    if batch:
        _fix_output(proto)
    return finish(proto)


def finish(proto: onnx.ModelProto) -> bytes:
    """Order and name all parts the same way at every export, check the graph, and return the file's content.

    Raises:
        ExportError: it needs more than ONNX's own operators, or the ONNX checker refuses it.
    """
    _check_operators(proto)
    _order(proto.graph)
    _rename(proto.graph)
    _check_graph(proto)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _trace(placed: PlacedModel, shape: Sequence[int | None]) -> onnx.ModelProto:
    """Trace the model for an input of this shape, with one input and one output for each state."""
    with quiet_tensorflow():
        import tensorflow as tf
    import tf2onnx

    # It logs the shapes of the placeholder's outputs, which are useless, and faults that the checks below find as well.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)

    def answer(x: Any, *states: Any) -> dict[str, Any]:
        output, last = placed.run(x, *states)
        return {OUTPUT: output} | {f"state_{index}_out": last[index] for index in range(len(states))}

    sizes = enumerate(placed.state_sizes)
    spec = [tf.TensorSpec(shape, tf.float32, name=INPUT)]
    spec += [tf.TensorSpec([shape[0], size], tf.float32, name=f"state_{index}") for index, size in sizes]
    handlers: dict[str, tuple[Callable[..., None], list[str]]] = {
        _PLACEHOLDER: (partial(_replace_placeholder, placed.cells, bool(placed.state_sizes)), []),
        "Erfc": (partial(_replace_by_difference, "Erf"), []),
        "Expm1": (partial(_replace_by_difference, "Exp"), []),
    }
    try:
        proto, _ = tf2onnx.convert.from_function(
            _without_captures(answer, spec), input_signature=spec, opset=OPSET, custom_op_handlers=handlers
        )
    except Exception as error:  # tf2onnx raises whatever its stages raise
        ours = ours_in(error)
        raise ours or ExportError(f"tf2onnx fails: {reason_of(error)}") from error
    return proto


def _without_captures(answer: Callable[..., dict[str, Any]], spec: Sequence[Any]) -> Any:
    """Make a traceable function in which captured tensors are constants.

    Layers have tensors that are not variables, such as the mean of an adapted Normalization. tf2onnx would make them
    inputs of the graph.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(answer, autograph=False)
    concrete = traced.get_concrete_function(*spec)
    tensors = {inner.name: outer for outer, inner in concrete.graph.captures if inner.dtype != tf.resource}
    if not tensors:
        return traced
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False).graph
    names, outputs = [each.name for each in concrete.inputs[: len(spec)]], concrete.structured_outputs
    graph, replaced = frozen.as_graph_def(), {name.partition(":")[0] for name in (*names, *tensors)}
    kept = [node for node in graph.node if node.name not in replaced]
    del graph.node[:]
    graph.node.extend(kept)

    def on_constants(*given: Any) -> dict[str, Any]:
        places = dict(zip(names, given, strict=True))
        places |= {name: tf.constant(np.asarray(tensor)) for name, tensor in tensors.items()}
        wanted = [output.name for output in outputs.values()]
        answers = tf.graph_util.import_graph_def(graph, input_map=places, return_elements=wanted, name="")
        return dict(zip(outputs, answers, strict=True))

    return tf.function(on_constants, autograph=False)


def _replace_placeholder(
    cells: Mapping[str, PlacedCell], with_states: bool, graph: Any, node: Any, name: str, _arguments: Any
) -> None:
    """Replace a placeholder by ONNX's own operator; tf2onnx calls this for each placeholder."""
    placed = cells[name.rpartition("/")[2]]
    cell = placed.cell
    operator = cell.onnx_operator()
    constants = [graph.make_const(f"{name}/{part}", getattr(operator, part)).output[0] for part in ("w", "r", "b")]
    states = len(cell.states)
    # After the weights there is an input for the samples' lengths, left out if all steps count, and then the first
    # states. Missing states are zeros.
    lengths = node.input[4] if placed.masked else ""
    first = [lengths, *node.input[1 : 1 + states]] if with_states else [lengths] if placed.masked else []
    source, (sequence, *last) = node.input[0], node.output[: 1 + states]
    shapes = [graph.get_shape(output) for output in (sequence, *last)]
    graph.remove_node(name)
    # ONNX has an axis for the direction after the steps; the placeholder has none.
    with_direction = f"{sequence}/direction"
    graph.make_node(
        operator.kind,
        [source, *constants, *first],
        attr=dict(operator.attributes),
        outputs=[with_direction, *last],
        shapes=[None, *shapes[1:]],
        dtypes=[onnx.TensorProto.FLOAT] * (1 + states),
        name=name,
    )
    axes = graph.make_const(f"{name}/axes", _DIRECTION_AXIS).output[0]
    graph.make_node(
        "Squeeze",
        [with_direction, axes],
        outputs=[sequence],
        shapes=[shapes[0]],
        dtypes=[onnx.TensorProto.FLOAT],
        name=f"{name}/squeeze",
    )


def _replace_by_difference(operator: str, graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """Replace Erfc by 1 - Erf and Expm1 by Exp - 1; tf2onnx passes them on although ONNX does not have them."""
    (source,), (target,) = node.input, node.output
    shape, dtype = graph.get_shape(target), graph.get_dtype(target)
    graph.remove_node(name)
    first = graph.make_node(operator, [source], shapes=[shape], dtypes=[dtype], name=f"{name}/first").output[0]
    one = graph.make_const(f"{name}/one", np.array(1, np.float32)).output[0]
    difference = [one, first] if operator == "Erf" else [first, one]
    graph.make_node("Sub", difference, outputs=[target], shapes=[shape], dtypes=[dtype], name=name)


def _make_states_optional(graph: onnx.GraphProto, sizes: Sequence[int]) -> None:
    """Give each state a default value of zeros: an initializer with the input's name, one row for any batch.

    tf2onnx reshapes a recurrent state to [1, batch, size] for the operator. That Reshape becomes an Expand, which
    repeats the row for every sample and leaves a state of the right batch unchanged. The batch is read from the
    operator's input, [steps, batch, features]. Rows that a convolution looks back on are reshaped to
    [batch, rows, features]; an Expand follows, with the batch of the model's input.
    """
    states = {f"state_{index}": size for index, size in enumerate(sizes)}
    reshapes = [node for node in graph.node if node.op_type == "Reshape" and node.input[0] in states]
    if len(reshapes) < len(states):
        raise ExportError(
            f"tf2onnx reshapes {len(reshapes)} states, expected {len(states)}; use --static for a file without states"
        )
    constants = {name: np.zeros((1, size), np.float32) for name, size in states.items()}
    shapes = {constant.name: numpy_helper.to_array(constant).tolist() for constant in graph.initializer}
    looked_back = [node for node in reshapes if shapes[node.input[1]][0] == -1]
    for node in reshapes:
        if node in looked_back:
            (target,) = node.output
            node.output[0] = f"{target}/one"
            graph.node.append(onnx.helper.make_node("Expand", [node.output[0], "rows_shape"], [target]))
        else:
            node.op_type = "Expand"
            node.input[1] = "state_shape"
    if looked_back:
        constants |= _add_limited_shape(graph, INPUT, "rows_shape", (_MAX_BATCH, 1, 1))
    if len(looked_back) < len(reshapes):
        rows = next(node.input[0] for node in graph.node if node.op_type in RECURRENT)
        constants |= _add_limited_shape(graph, rows, "state_shape", (1, _MAX_BATCH, 1))
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())


def _add_limited_shape(
    graph: onnx.GraphProto, value: str, name: str, limits: tuple[int, int, int]
) -> dict[str, AnyArray]:
    """Add the shape of a value, with each size at most its limit; return the constant with the limits."""
    graph.node.extend(
        [
            onnx.helper.make_node("Shape", [value], [f"{name}_of_input"]),
            onnx.helper.make_node("Min", [f"{name}_of_input", f"{name}_limits"], [name]),
        ]
    )
    return {f"{name}_limits": np.array(limits, np.int64)}


def _fix_output(proto: onnx.ModelProto) -> None:
    """Infer the dimensions of the output that tf2onnx leaves open, and write them into the graph."""
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    shape = inferred.graph.output[0].type.tensor_type.shape
    if not all(size.dim_value for size in shape.dim):
        raise ExportError(
            "the output's dimensions are unknown before it runs, expected fixed ones; export without --static"
        )
    proto.graph.output[0].type.tensor_type.shape.CopyFrom(shape)


def _tidy(proto: onnx.ModelProto) -> None:
    """Remove unused parts, and name the free dimensions."""
    used = {node.domain for node in proto.graph.node}
    kept = [opset for opset in proto.opset_import if opset.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    proto.graph.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    for values in (proto.graph.input, proto.graph.output):
        values.sort(key=lambda value: (len(value.name), value.name))  # state_2 before state_10
        for value in values:
            batch = value.type.tensor_type.shape.dim[0]
            if not batch.dim_value:
                batch.dim_param = "batch"
    steps = proto.graph.input[0].type.tensor_type.shape.dim[1]
    if not steps.dim_value:
        steps.dim_param = "steps"


def _order(graph: onnx.GraphProto) -> None:
    """Put nodes and constants in the order in which the outputs need them; tf2onnx's differs between processes."""
    producers = {output: index for index, node in enumerate(graph.node) for output in node.output if output}
    ordered: dict[int, onnx.NodeProto] = {}
    pending = [value.name for value in reversed(graph.output)]
    while pending:
        index = producers.get(pending[-1])
        if index is None or index in ordered:
            pending.pop()
            continue
        node = graph.node[index]
        missing = [name for name in node.input if name in producers and producers[name] not in ordered]
        if not missing:
            ordered[index] = node
        pending += reversed(missing)
    constants = {constant.name: constant for constant in graph.initializer}
    used = dict.fromkeys(name for node in ordered.values() for name in node.input if name in constants)
    for values, kept in ((graph.node, ordered.values()), (graph.initializer, [constants[name] for name in used])):
        copies = [type(value).FromString(value.SerializeToString()) for value in kept]
        del values[:]
        values.extend(copies)


def _rename(graph: onnx.GraphProto) -> None:
    """Rename constants to c0 … and outputs of nodes to v0 …; tf2onnx counts on within a process."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    constants = [constant.name for constant in graph.initializer if constant.name not in names]
    names |= {constant: f"c{index}" for index, constant in enumerate(constants)}
    outputs = (output for node in graph.node for output in node.output if output and output not in names)
    names |= {output: f"v{index}" for index, output in enumerate(outputs)}
    for constant in graph.initializer:
        constant.name = names[constant.name]
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [name and names[name] for name in node.input]
        node.output[:] = [name and names[name] for name in node.output]
    graph.name = "edgernn"


def _check_operators(proto: onnx.ModelProto) -> None:
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in proto.graph.node if node.domain})
    inner = [node.op_type for node in proto.graph.node if node.op_type in (_PLACEHOLDER, "If", "Loop", "Scan")]
    if foreign or inner:
        raise ExportError(
            f"needs operators of other domains, or loops, which are not supported: {', '.join(foreign + inner)}"
        )


def _check_graph(proto: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the ONNX checker refuses the graph: {str(error).splitlines()[0]}") from error
