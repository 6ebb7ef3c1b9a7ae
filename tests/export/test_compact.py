"""compact(): the same answers bit for bit in fewer bytes; ArtifactError, and nothing else, from other files."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgernn.errors import ArtifactError
from edgernn_export.formats.tflite import compact as compact_module
from edgernn_export.formats.tflite.compact import compact

ROWS, FEATURES, UNITS, CLASSES = 28, 28, 64, 10
CONVERTER_METADATA = {b"min_runtime_version", b"CONVERSION_METADATA"}
KERNELS = (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN)  # the second with XNNPACK
Op, Type = schema.BuiltinOperator, schema.TensorType

# Largest allowed share of the converter's bytes, and largest allowed size in bytes. Weights cannot shrink: they take
# 26,408 bytes as float32, 6,824 as int8 with int32 biases.
BOUNDS = {
    "rnn float32": (0.65, 32_400),
    "rnn int8": (0.20, 17_600),  # 88,032 bytes from the stock converter
    "rnn int16x8": (0.42, 17_700),
    "rnn loop": (0.88, 29_400),
    "two signatures": (0.80, 28_500),
    "convolution": (0.75, 2_500),
    "convolution int8": (0.70, 2_600),
}
MODELS = pytest.mark.parametrize("name", BOUNDS)
# Every model with XNNPACK; two models with the reference kernels, which are slow.
WITH_KERNELS = [(name, KERNELS[1]) for name in BOUNDS] + [
    (name, KERNELS[0]) for name in ("rnn loop", "convolution int8")
]


def recurrent_model(*, unroll: bool) -> Any:
    import keras

    keras.utils.set_random_seed(7)
    bias = keras.initializers.RandomNormal(stddev=0.1)  # zeros would be folded away
    rows = keras.Input((ROWS, FEATURES), batch_size=1)
    hidden = keras.layers.SimpleRNN(UNITS, unroll=unroll, bias_initializer=bias)(rows)
    return keras.Model(rows, keras.layers.Dense(CLASSES, "softmax", bias_initializer=bias)(hidden))


def convolutional_model() -> Any:
    import keras

    keras.utils.set_random_seed(7)
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.DepthwiseConv2D(3), keras.layers.MaxPool2D()]
    ends = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
    return keras.Sequential([keras.Input((16, 16, 1), batch_size=1), *layers, *ends])


def convert(model: Any, operators: str = "TFLITE_BUILTINS") -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet[operators]]
    if operators != "TFLITE_BUILTINS":
        rng = np.random.default_rng(7)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.random(model.input_shape, dtype=np.float32)] for _ in range(10)
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")  # asks for an option of old converters
        return bytes(converter.convert())


def convert_two_signatures(folder: Path) -> bytes:
    import tensorflow as tf

    rng = np.random.default_rng(7)
    w, u = (rng.standard_normal((n, UNITS)).astype(np.float32) * 0.1 for n in (FEATURES, UNITS))

    class Streaming(tf.Module):  # type: ignore[misc]  # tensorflow is not typed
        @tf.function(input_signature=[tf.TensorSpec((1, FEATURES)), tf.TensorSpec((1, UNITS))])
        def step(self, row: Any, state: Any) -> dict[str, Any]:
            return {"state": tf.tanh(row @ w + state @ u)}

        @tf.function(input_signature=[tf.TensorSpec((1, ROWS, FEATURES))])
        def sequence(self, rows: Any) -> dict[str, Any]:
            state = tf.zeros((1, UNITS))
            for projected in tf.split(tf.reshape(rows, (ROWS, FEATURES)) @ w, ROWS):
                state = tf.tanh(projected + state @ u)
            return {"state": state}

    module = Streaming()
    signatures = {name: getattr(module, name).get_concrete_function() for name in ("sequence", "step")}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(signatures)).convert())


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Convert a model of BOUNDS, once a session."""
    int8, int16x8 = "TFLITE_BUILTINS_INT8", "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    make: Mapping[str, Callable[[], bytes]] = {
        "rnn float32": lambda: convert(recurrent_model(unroll=True)),
        "rnn int8": lambda: convert(recurrent_model(unroll=True), int8),
        "rnn int16x8": lambda: convert(recurrent_model(unroll=True), int16x8),
        "rnn loop": lambda: convert(recurrent_model(unroll=False)),
        "two signatures": lambda: convert_two_signatures(tmp_path_factory.mktemp("two")),
        "convolution": lambda: convert(convolutional_model()),
        "convolution int8": lambda: convert(convolutional_model(), int8),
    }
    return cache(lambda name: make[name]())


def answers(model: bytes, kernels: OpResolverType) -> dict[str, list[bytes]]:
    """Return the bytes of every output of every signature, for three random inputs."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kernels, num_threads=1)
    result: dict[str, list[bytes]] = {}
    for key in interpreter.get_signature_list():
        run, rng = interpreter.get_signature_runner(key), np.random.default_rng(1)
        for _ in range(3):
            inputs = {
                name: rng.standard_normal(detail["shape"]).astype(detail["dtype"])
                for name, detail in run.get_input_details().items()
            }
            for name, output in sorted(run(**inputs).items()):
                result.setdefault(f"{key} {name}", []).append(output.tobytes())
    return result


def parse(model: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(model)


def pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def one_operator(code: int, options: Any, kind: int, *constants: Any, inputs: int = 2, version: int = 1) -> Any:
    """Make a model of one operator on [1, 4, 4] inputs and then the constants, with an output of unknown shape."""
    scale = schema.QuantizationParametersT(scale=np.array([0.05], np.float32), zeroPoint=np.array([0]))
    quantization = None if kind == Type.FLOAT32 else scale
    cube = np.array([1, 4, 4], np.int32)
    model = schema.ModelT(version=3, buffers=[schema.BufferT()])
    tensors = [schema.TensorT(cube, kind, name=f"in{n}", quantization=quantization) for n in range(inputs)]
    kinds = {"float32": Type.FLOAT32, "int8": Type.INT8, "int32": Type.INT32, "int64": Type.INT64}
    for constant in constants:
        tensors.append(schema.TensorT(np.array(constant.shape, np.int32), kinds[constant.dtype.name]))
        tensors[-1].buffer = len(model.buffers)
        tensors[-1].quantization = None if constant.dtype.name in ("float32", "int32") else scale
        model.buffers.append(schema.BufferT(np.frombuffer(constant.tobytes(), np.uint8)))
    output = len(tensors)
    tensors.append(schema.TensorT(cube, kind, name="out", quantization=quantization))
    op = schema.OperatorT(0, np.arange(output, dtype=np.int32), np.array([output], np.int32))
    if options is not None:
        op.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        op.builtinOptions = options
    model.operatorCodes = [schema.OperatorCodeT(code, None, version, code)]
    ends = np.arange(inputs, dtype=np.int32), np.array([output], np.int32)
    model.subgraphs = [schema.SubGraphT(tensors, *ends, [op], "main")]
    return model


def first_output(model: bytes, kernels: OpResolverType) -> Any:
    """Return the answers of subgraph 0 to three random inputs, without a signature."""
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(2)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], (rng.random(detail["shape"]) * 9 + 1).astype(detail["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize(("name", "kernels"), WITH_KERNELS)
def test_answers_are_the_same_bit_for_bit(
    name: str, kernels: OpResolverType, converted: Callable[[str], bytes]
) -> None:
    model = converted(name)
    expected = answers(model, kernels)
    assert expected
    assert answers(compact(model), kernels) == expected
    assert answers(compact(model, keep_names=True), kernels) == expected


@MODELS
def test_size_is_within_its_bound(name: str, converted: Callable[[str], bytes]) -> None:
    before, after = len(converted(name)), len(compact(converted(name)))
    ratio, most = BOUNDS[name]
    assert after <= most
    assert after <= ratio * before


@MODELS
def test_compacting_again_changes_nothing(name: str, converted: Callable[[str], bytes]) -> None:
    once = compact(converted(name))
    assert compact(converted(name)) == once
    assert compact(once) == once
    assert compact(compact(converted(name), keep_names=True)) == once


@MODELS
def test_weights_are_aligned_and_stored_once(name: str, converted: Callable[[str], bytes]) -> None:
    file = compact(converted(name))
    start = np.frombuffer(file, np.uint8).__array_interface__["data"][0]
    contents = [buffer.data for buffer in parse(file).buffers if buffer.data is not None]
    assert [(data.__array_interface__["data"][0] - start) % 16 for data in contents] == [0] * len(contents)
    assert len({data.tobytes() for data in contents}) == len(contents)
    used = {tensor.buffer for subgraph in parse(file).subgraphs for tensor in subgraph.tensors}
    assert used | {0} == set(range(len(parse(file).buffers)))


@MODELS
def test_graph_is_left_alone(name: str, converted: Callable[[str], bytes]) -> None:
    """Order of operators and indices of tensors stay, because metadata and tools may refer to them."""

    def graph(model: Any) -> Iterator[Any]:
        for subgraph in model.subgraphs:
            yield list(subgraph.inputs), list(subgraph.outputs)
            for tensor in subgraph.tensors:
                yield tensor.type, list(tensor.shape), tensor.hasRank, model.buffers[tensor.buffer].data is None
            for op in subgraph.operators:
                code = model.operatorCodes[op.opcodeIndex]
                yield code.deprecatedBuiltinCode, code.version, list(op.inputs), list(op.outputs)

    assert list(graph(parse(compact(converted(name))))) == list(graph(parse(converted(name))))


def test_names_stay_on_what_a_caller_reaches(converted: Callable[[str], bytes]) -> None:
    before, after = parse(converted("rnn loop")), parse(compact(converted("rnn loop")))
    main, *bodies = zip(before.subgraphs, after.subgraphs, strict=True)
    ends = {*main[0].inputs, *main[0].outputs}
    for index, (old, new) in enumerate(zip(main[0].tensors, main[1].tensors, strict=True)):
        assert new.name == (old.name if index in ends else None)
    assert {tensor.name for _, body in bodies for tensor in body.tensors} == {None}
    assert (after.description, after.metadata, after.subgraphs[0].name) == (None, None, None)


@MODELS
def test_keep_names_keeps_what_people_read(name: str, converted: Callable[[str], bytes]) -> None:
    def names(model: Any) -> Any:
        tensors = [[tensor.name for tensor in subgraph.tensors] for subgraph in model.subgraphs]
        return tensors, [subgraph.name for subgraph in model.subgraphs], model.description

    before, after = parse(converted(name)), parse(compact(converted(name), keep_names=True))
    assert names(after) == names(before)
    assert {entry.name for entry in after.metadata} == {entry.name for entry in before.metadata} == CONVERTER_METADATA


def test_metadata_is_added_verbatim_once(converted: Callable[[str], bytes]) -> None:
    card = b'{"edgernn.card":1,"sha256":"' + b"0" * 64 + b'"}'
    file = compact(converted("rnn int8"), metadata={"edgernn.card": card})
    assert file.count(card) == 1
    assert contents(file) == {b"edgernn.card": card}
    # Other tools overwrite a part in place. And compact keeps an entry that it did not write.
    patched = file.replace(b"0" * 64, b"f" * 64)
    assert compact(patched) == patched
    replaced = compact(patched, metadata={"edgernn.card": card, "empty": b""})
    assert contents(replaced) == {b"edgernn.card": card, b"empty": b""}
    assert answers(replaced, KERNELS[1]) == answers(converted("rnn int8"), KERNELS[1])


def contents(file: bytes) -> dict[bytes, bytes]:
    model = parse(file)
    return {entry.name: model.buffers[entry.buffer].data.tobytes() for entry in model.metadata}


def test_metadata_of_others_and_of_the_deprecated_kind_is_kept(converted: Callable[[str], bytes]) -> None:
    model = parse(converted("convolution"))
    model.buffers.append(schema.BufferT(np.frombuffer(b"labels", np.uint8)))
    model.metadata.append(schema.MetadataT(b"TFLITE_METADATA", len(model.buffers) - 1))
    model.metadataBuffer = np.array([len(model.buffers) - 1], np.int32)
    file = compact(pack(model))
    assert contents(file) == {b"TFLITE_METADATA": b"labels"}
    assert parse(file).metadataBuffer.tolist() == [parse(file).metadata[0].buffer]


def test_quantization_keeps_zero_points_and_loses_calibration_ranges() -> None:
    model = one_operator(Op.ADD, None, Type.INT8)
    first, second, output = model.subgraphs[0].tensors
    for tensor in (first, output):
        tensor.quantization.min = tensor.quantization.max = np.array([1], np.float32)
    second.quantization = schema.QuantizationParametersT()  # as converters write for a tensor that is not quantized
    first, second, output = parse(compact(pack(model))).subgraphs[0].tensors
    assert first.quantization.zeroPoint.tolist() == [0]
    assert first.quantization.scale.tolist() == output.quantization.scale.tolist()
    assert first.quantization.min is first.quantization.max is second.quantization is None


def test_quantization_in_blocks_is_kept() -> None:
    """Blocks refer to tensors with their scales, and have no scales themselves."""
    model = one_operator(Op.ADD, None, Type.FLOAT32, np.ones((4, 4), np.float32))
    details = schema.BlockwiseQuantizationT(scales=2, zeroPoints=-1, blockSize=32)
    kind = schema.QuantizationDetails.BlockwiseQuantization
    model.subgraphs[0].tensors[1].quantization = schema.QuantizationParametersT(detailsType=kind, details=details)
    kept = parse(compact(pack(model))).subgraphs[0].tensors[1].quantization.details
    assert (kept.scales, kept.zeroPoints, kept.blockSize) == (2, -1, 32)


def test_constant_of_no_bytes_stays_a_constant() -> None:
    """A tensor without data is computed; a tensor with data of 0 bytes is a constant."""
    model = one_operator(Op.CONCATENATION, None, Type.FLOAT32, np.zeros((0, 4, 4), np.float32), inputs=1)
    model.buffers.append(schema.BufferT())  # unused, and as empty as buffer 0
    file = compact(pack(model))
    used = [parse(file).buffers[tensor.buffer].data for tensor in parse(file).subgraphs[0].tensors]
    assert [data is None for data in used] == [True, False, True]
    assert len(parse(file).buffers) == 2
    for kernels in KERNELS:
        assert np.array_equal(first_output(file, kernels), first_output(pack(model), kernels))


def test_what_custom_operators_and_variables_need_is_kept() -> None:
    model = one_operator(Op.ADD, schema.AddOptionsT(), Type.FLOAT32)
    subgraph = model.subgraphs[0]
    subgraph.name = "VALIDATION:main"  # a name that LiteRT reads
    subgraph.tensors[1].isVariable = True
    model.operatorCodes = [schema.OperatorCodeT(Op.CUSTOM, "Mine", 1, Op.CUSTOM)]
    op = subgraph.operators[0]
    op.builtinOptionsType, op.builtinOptions = 0, None
    op.customOptions, op.intermediates = np.arange(5, dtype=np.uint8), np.array([1], np.int32)
    op.mutatingVariableInputs = np.array([False, True])
    composite = schema.StableHLOCompositeOptionsT(name="odml.norm", compositeAttributes=np.arange(3, dtype=np.uint8))
    second = schema.OperatorT(1, op.inputs, op.outputs)
    second.builtinOptions2Type, second.builtinOptions2 = schema.BuiltinOptions2.StableHLOCompositeOptions, composite
    model.operatorCodes.append(schema.OperatorCodeT(127, None, 1, Op.STABLEHLO_COMPOSITE))
    subgraph.operators.append(second)
    kept = parse(compact(pack(model)))
    custom, stablehlo = kept.subgraphs[0].operators
    assert kept.operatorCodes[custom.opcodeIndex].customCode == b"Mine"
    assert custom.customOptions.tolist() == [0, 1, 2, 3, 4]
    assert (custom.intermediates.tolist(), custom.mutatingVariableInputs.tolist()) == ([1], [False, True])
    assert kept.operatorCodes[stablehlo.opcodeIndex].builtinCode == Op.STABLEHLO_COMPOSITE
    assert stablehlo.builtinOptions2.name == b"odml.norm"
    assert stablehlo.builtinOptions2.compositeAttributes.tolist() == [0, 1, 2]
    assert kept.subgraphs[0].name == b"VALIDATION:main"
    assert kept.subgraphs[0].tensors[1].isVariable


SPARE_OPTIONS: dict[Any, tuple[int, tuple[Any, ...], int]] = {  # table: operator, constants, inputs
    schema.AddOptionsT: (Op.ADD, (), 2),
    schema.BatchMatMulOptionsT: (Op.BATCH_MATMUL, (), 2),
    schema.ConcatenationOptionsT: (Op.CONCATENATION, (), 2),
    schema.DivOptionsT: (Op.DIV, (), 2),
    schema.FullyConnectedOptionsT: (Op.FULLY_CONNECTED, (np.ones((4, 4), np.float32), np.ones(4, np.float32)), 1),
    schema.GatherOptionsT: (Op.GATHER, (np.array([0, 0], np.int32),), 1),
    schema.MulOptionsT: (Op.MUL, (), 2),
    schema.ReducerOptionsT: (Op.SUM, (np.array([1], np.int32),), 1),
    schema.ReshapeOptionsT: (Op.RESHAPE, (np.array([2, 8], np.int32),), 1),
    schema.StridedSliceOptionsT: (
        Op.STRIDED_SLICE,
        tuple(np.array(v, np.int32) for v in ([0] * 3, [1] * 3, [1] * 3)),
        1,
    ),
    schema.SubOptionsT: (Op.SUB, (), 2),
    schema.TransposeOptionsT: (
        Op.TRANSPOSE,
        (np.array([2, 0, 1], np.int32),),
        1,
    ),  # represents all tables without a field
}


def test_every_spare_option_table_is_tested() -> None:
    assert set(SPARE_OPTIONS) - {schema.TransposeOptionsT} == compact_module._ZEROS_WHEN_MISSING


@pytest.mark.parametrize("table", SPARE_OPTIONS, ids=lambda table: table.__name__)
@pytest.mark.parametrize("kernels", KERNELS, ids=["reference", "xnnpack"])
def test_default_option_table_is_spare(table: Any, kernels: OpResolverType) -> None:
    code, constants, inputs = SPARE_OPTIONS[table]
    model = pack(one_operator(code, table(), Type.FLOAT32, *constants, inputs=inputs))
    file = compact(model)
    assert parse(file).subgraphs[0].operators[0].builtinOptions is None
    expected, given_ = first_output(model, kernels), first_output(file, kernels)
    assert (given_.shape, given_.tobytes()) == (expected.shape, expected.tobytes())


def test_option_table_that_says_something_is_kept() -> None:
    axis = pack(one_operator(Op.CONCATENATION, schema.ConcatenationOptionsT(axis=2), Type.FLOAT32))
    assert parse(compact(axis)).subgraphs[0].operators[0].builtinOptions.axis == 2
    constants = np.zeros((2, 8), np.int32), np.array([2, 8], np.int32)
    shape = one_operator(Op.RESHAPE, schema.ReshapeOptionsT(constants[1]), Type.FLOAT32, inputs=1)
    assert parse(compact(pack(shape))).subgraphs[0].operators[0].builtinOptions.newShape.tolist() == [2, 8]


@pytest.mark.parametrize("kernels", KERNELS, ids=["reference", "xnnpack"])
def test_int16_operator_keeps_its_default_table(kernels: OpResolverType) -> None:
    """FULLY_CONNECTED on int16 refuses to run without its table."""
    constants = np.ones((4, 4), np.int8), np.ones(4, np.int64)
    model = one_operator(
        Op.FULLY_CONNECTED, schema.FullyConnectedOptionsT(), Type.INT16, *constants, inputs=1, version=8
    )
    bias = model.subgraphs[0].tensors[2]
    bias.quantization = schema.QuantizationParametersT(scale=np.array([0.0025], np.float32), zeroPoint=np.array([0]))
    file = compact(pack(model))
    assert first_output(file, kernels).tobytes() == first_output(pack(model), kernels).tobytes()
    model.subgraphs[0].operators[0].builtinOptionsType = 0
    model.subgraphs[0].operators[0].builtinOptions = None
    with pytest.raises(RuntimeError, match="quantized_bias_type"):
        first_output(pack(model), kernels)


def test_operator_codes_are_shared_and_the_most_used_takes_no_bytes() -> None:
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    code = schema.OperatorCodeT
    model.operatorCodes = [code(Op.SUB, None, 1, Op.SUB), *(code(n, None, 1, n) for n in (Op.ADD, Op.MUL, Op.MUL))]
    first = model.subgraphs[0].operators[0]
    model.subgraphs[0].operators = [schema.OperatorT(n, first.inputs, first.outputs) for n in (1, 2, 3)]
    kept = parse(compact(pack(model)))
    assert [code.builtinCode for code in kept.operatorCodes] == [Op.MUL, Op.ADD]
    assert [op.opcodeIndex for op in kept.subgraphs[0].operators] == [1, 0, 0]


def data_outside() -> Iterator[tuple[str, bytes]]:
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    yield "data after the flatbuffer", pack(model) + b"PK\x05\x06" + b"\1" * 18
    model.buffers.append(schema.BufferT(offset=4096, size=8))
    yield "offset must be non-negative and no greater than buffer length", pack(model)
    model = one_operator(Op.CUSTOM, None, Type.FLOAT32)
    model.subgraphs[0].operators[0].largeCustomOptionsOffset = 4096
    yield "large custom options", pack(model)
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.subgraphs[0].tensors[0].externalBuffer = 1
    yield "external tensors", pack(model)
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.externalBuffers = [schema.ExternalBufferT()]
    yield "external buffers", pack(model)


@pytest.mark.parametrize(
    ("what", "file"), list(data_outside()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_data_outside_of_the_flatbuffer_are_refused(what: str, file: bytes) -> None:
    with pytest.raises(ArtifactError, match=what):
        compact(file)


def test_weights_behind_the_flatbuffer_are_moved_into_it() -> None:
    """litert-quantizer writes weights behind the flatbuffer from 256 KB on."""
    weights = np.arange(4, dtype=np.float32)
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.buffers.append(schema.BufferT(data=np.frombuffer(weights.tobytes(), np.uint8)))
    model.subgraphs[0].tensors[1].buffer = len(model.buffers) - 1
    inside = compact(pack(model))
    model.buffers[-1] = schema.BufferT(offset=4096, size=weights.nbytes)
    file = pack(model)
    assert compact(file + bytes(4096 - len(file)) + weights.tobytes()) == inside


def test_newer_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field or a union that the schema does not have would be lost."""
    model = one_operator(Op.ADD, schema.AddOptionsT(fusedActivationFunction=1), Type.FLOAT32)
    file = pack(model)
    model.subgraphs[0].operators[0].builtinOptionsType = 250
    with pytest.raises(ArtifactError, match=r"does not have the type of Operator\.builtinOptions"):
        compact(pack(model))
    known = compact_module._slot_count
    monkeypatch.setattr(compact_module, "_slot_count", lambda kind: 2 if kind == "Tensor" else known(kind))
    with pytest.raises(ArtifactError, match="does not have a field of Tensor"):
        compact(file)


@pytest.mark.parametrize("file", [b"", b"TFL3", b"\0" * 64, b"\x1c\0\0\0TFL3" + b"\0" * 64, b"{}" * 99])
def test_other_files_are_refused(file: bytes) -> None:
    with pytest.raises(ArtifactError):
        compact(file)


def test_files_without_a_model_are_refused() -> None:
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.version = 2
    with pytest.raises(ArtifactError, match="version 2 with 1 subgraphs"):
        compact(pack(model))
    with pytest.raises(ArtifactError, match="version 3 with 0 subgraphs"):
        compact(pack(schema.ModelT(version=3, buffers=[schema.BufferT()])))


def test_indices_that_lead_nowhere_are_refused() -> None:
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.subgraphs[0].tensors[0].buffer = 9
    with pytest.raises(ArtifactError, match="buffer 9 of 1"):
        compact(pack(model))
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.subgraphs[0].operators[0].opcodeIndex = 7
    with pytest.raises(ArtifactError, match="operator code 7 of 1"):
        compact(pack(model))


@pytest.mark.parametrize(("offset", "size"), [(1 << 63, 1), (2, 1 << 63), (2, 1 << 30)])
def test_weights_that_lie_nowhere_are_refused(offset: int, size: int) -> None:
    model = one_operator(Op.ADD, None, Type.FLOAT32)
    model.buffers[0].offset, model.buffers[0].size = offset, size
    with pytest.raises(ArtifactError, match="damaged"):
        compact(pack(model))


def test_every_cut_is_refused(converted: Callable[[str], bytes]) -> None:
    model = converted("convolution int8")
    for length in range(0, len(model.rstrip(b"\0")), 7):
        with pytest.raises(ArtifactError):
            compact(model[:length])


@pytest.fixture(scope="module")
def compacted(converted: Callable[[str], bytes]) -> Callable[[], list[bytes]]:
    """Return a function, because hypothesis prints the arguments of an example that fails."""
    files = [compact(converted(name)) for name in ("convolution int8", "two signatures")]
    return lambda: files


@settings(max_examples=200, deadline=None)
@given(damage=st.dictionaries(st.integers(0, 2**16), st.integers(0, 255), min_size=1, max_size=4), head=st.booleans())
def test_damage_raises_nothing_but_artifact_error(
    damage: dict[int, int], head: bool, compacted: Callable[[], list[bytes]]
) -> None:
    for intact in compacted():
        file = bytearray(intact)
        for position, value in damage.items():
            file[position % (256 if head else len(file))] = value
        with suppress(ArtifactError):
            compact(bytes(file))
