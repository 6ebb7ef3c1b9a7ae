"""Files of a few KB whose lists refer to the same parts thousands of times; an object tree would copy them."""

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgernn import sample
from edgernn.errors import ArtifactError
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.formats.tflite.unpacked_size import check_unpacked_size, limit_for

Builder = flatbuffers.Builder
COUNT = 3000


def repeated(builder: Builder, start: Callable[[Builder, int], object], child: int, count: int = COUNT) -> int:
    start(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(child)
    return int(builder.EndVector())


def tensor_of(builder: Builder, name: int = 0, shape: int = 0) -> int:
    schema.TensorStart(builder)
    if name:
        schema.TensorAddName(builder, name)
    if shape:
        schema.TensorAddShape(builder, shape)
    return int(schema.TensorEnd(builder))


def subgraph_of(builder: Builder, tensors: int = 0, operators: int = 0) -> int:
    schema.SubGraphStart(builder)
    if tensors:
        schema.SubGraphAddTensors(builder, tensors)
    if operators:
        schema.SubGraphAddOperators(builder, operators)
    return int(schema.SubGraphEnd(builder))


def finish(builder: Builder, subgraphs: int, buffers: int = 0) -> bytes:
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    if buffers:
        schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def many_subgraphs_of_many_tensors() -> bytes:
    builder = Builder(1024)
    tensors = repeated(builder, schema.SubGraphStartTensorsVector, tensor_of(builder))
    graph = subgraph_of(builder, tensors)
    return finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, graph))


def different_subgraphs_with_one_list() -> bytes:
    builder = Builder(1024)
    tensors = repeated(builder, schema.SubGraphStartTensorsVector, tensor_of(builder))
    graphs = [subgraph_of(builder, tensors) for _ in range(COUNT)]
    schema.ModelStartSubgraphsVector(builder, COUNT)
    for graph in graphs:
        builder.PrependUOffsetTRelative(graph)
    return finish(builder, builder.EndVector())


def many_tensors_with_one_long_name() -> bytes:
    builder = Builder(1024)
    tensor = tensor_of(builder, name=builder.CreateString("n" * 100_000))
    tensors = repeated(builder, schema.SubGraphStartTensorsVector, tensor)
    return finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, subgraph_of(builder, tensors), 1))


def many_tensors_with_one_long_shape() -> bytes:
    builder = Builder(1024)
    tensor = tensor_of(builder, shape=builder.CreateNumpyVector(np.ones(100_000, np.int32)))
    tensors = repeated(builder, schema.SubGraphStartTensorsVector, tensor)
    return finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, subgraph_of(builder, tensors), 1))


def many_operators_with_one_long_list_of_inputs() -> bytes:
    builder = Builder(1024)
    inputs = builder.CreateNumpyVector(np.zeros(100_000, np.int32))
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    operator = schema.OperatorEnd(builder)
    operators = repeated(builder, schema.SubGraphStartOperatorsVector, operator)
    graph = subgraph_of(builder, operators=operators)
    return finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, graph, 1))


def many_operators_with_one_long_option() -> bytes:
    builder = Builder(1024)
    text = builder.CreateString("o" * 100_000)
    schema.StableHLOCompositeOptionsStart(builder)
    schema.StableHLOCompositeOptionsAddName(builder, text)
    options = schema.StableHLOCompositeOptionsEnd(builder)
    schema.OperatorStart(builder)
    schema.OperatorAddBuiltinOptions2Type(builder, schema.BuiltinOptions2.StableHLOCompositeOptions)
    schema.OperatorAddBuiltinOptions2(builder, options)
    operator = schema.OperatorEnd(builder)
    operators = repeated(builder, schema.SubGraphStartOperatorsVector, operator)
    graph = subgraph_of(builder, operators=operators)
    return finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, graph, 1))


@pytest.mark.parametrize(
    "bomb",
    [
        many_subgraphs_of_many_tensors,
        different_subgraphs_with_one_list,
        many_tensors_with_one_long_name,
        many_tensors_with_one_long_shape,
        many_operators_with_one_long_list_of_inputs,
        many_operators_with_one_long_option,
    ],
)
def test_files_that_unpack_to_much_more_are_refused(bomb: Callable[[], bytes]) -> None:
    with pytest.raises(ArtifactError, match=r"repeat parts until they unpack to more than [\d,]+ bytes"):
        compact(bomb())


def test_weights_that_many_tensors_and_buffers_name_are_stored_once() -> None:
    """3,000 times 200 KB of weights would be 600 MB to copy; they are read once."""
    builder = Builder(1024)
    data = builder.CreateNumpyVector(np.arange(200_000, dtype=np.uint8))
    schema.BufferStart(builder)
    schema.BufferAddData(builder, data)
    buffers = repeated(builder, schema.ModelStartBuffersVector, schema.BufferEnd(builder))
    tensors = []
    for index in range(COUNT):
        schema.TensorStart(builder)
        schema.TensorAddBuffer(builder, index)
        tensors.append(schema.TensorEnd(builder))
    schema.SubGraphStartTensorsVector(builder, COUNT)
    for tensor in reversed(tensors):
        builder.PrependUOffsetTRelative(tensor)
    graph = subgraph_of(builder, builder.EndVector())
    file = finish(builder, repeated(builder, schema.ModelStartSubgraphsVector, graph, 1), buffers)
    compacted = compact(file)
    model = schema.ModelT.InitFromPackedBuf(compacted, 0)
    assert [tensor.buffer for tensor in model.subgraphs[0].tensors] == [0] + [1] * (COUNT - 1)
    np.testing.assert_array_equal(model.buffers[1].data, np.arange(200_000, dtype=np.uint8))
    assert len(model.buffers) == 2


def test_files_of_converters_are_far_from_the_limit() -> None:
    data = sample().read_bytes()
    check_unpacked_size(compact(data))
    assert limit_for(len(data)) > 8 * len(data)


def test_the_command_says_it_in_a_line(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "bomb.tflite"
    path.write_bytes(many_tensors_with_one_long_name())
    assert f"{path}: its 1" in refused("compact", path)
