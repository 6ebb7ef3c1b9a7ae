"""`edgernn info` of files that edgernn did not export, against the packages of their formats."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgernn import sample
from edgernn.data.run_settings import write_settings
from edgernn.errors import ArtifactError
from edgernn.foreign import read_onnx, read_tflite
from edgernn.tflite_schema import OPERATORS, TYPES

NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def tflite_of(*codes: Any, graphs: int = 1, scale: float = 0.5) -> bytes:
    tensors = [
        schema.TensorT(shape=[1, 5], shapeSignature=[-1, 5], type=schema.TensorType.FLOAT32, name=b"x"),
        schema.TensorT(
            shape=[1, 2],
            type=schema.TensorType.INT8,
            name=b"y",
            quantization=schema.QuantizationParametersT(scale=[scale], zeroPoint=[-3]),
        ),
    ]
    operators = [schema.OperatorT(opcodeIndex=index, inputs=[0], outputs=[1]) for index in range(len(codes))]
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=operators)
    model = schema.ModelT(version=3, operatorCodes=list(codes), subgraphs=[graph] * graphs, buffers=[schema.BufferT()])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def builtin(number: int) -> Any:
    return schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=min(number, 127))


def custom(name: bytes) -> Any:
    return schema.OperatorCodeT(builtinCode=32, deprecatedBuiltinCode=32, customCode=name)


def onnx_of(nodes: list[Any], opsets: list[Any] | None = None, **graph: Any) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None, 3])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [2])
    made = helper.make_graph(nodes, "g", graph.pop("inputs", [x]), [y], **graph)
    return bytes(helper.make_model(made, opset_imports=opsets or [helper.make_opsetid("", 13)]).SerializeToString())


def test_the_tables_are_the_schema_s() -> None:
    assert dict(enumerate(OPERATORS)) == {number: NAMES[number] for number in range(len(OPERATORS))}
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    assert dict(enumerate(TYPES)) == types


def test_a_tflite_file_is_what_the_schema_s_package_says() -> None:
    data = sample().read_bytes()
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    facts = read_tflite(data)
    codes = [NAMES[code.builtinCode] for code in model.operatorCodes]
    counted = Counter(codes[operator.opcodeIndex] for graph in model.subgraphs for operator in graph.operators)
    assert facts.operators == counted
    main = model.subgraphs[0]
    assert [port.name for port in facts.inputs] == [main.tensors[index].name.decode() for index in main.inputs]
    assert [port.shape for port in facts.outputs] == [tuple(main.tensors[index].shape) for index in main.outputs]
    assert facts.signatures == tuple(key.signatureKey.decode() for key in model.signatureDefs)
    assert not facts.missing


def test_ports_say_what_is_free_and_what_integers_mean() -> None:
    facts = read_tflite(tflite_of(builtin(9)))
    (x,), (y,) = facts.inputs, facts.outputs
    assert (x.name, x.dtype, x.shape, x.scale) == ("x", "float32", (-1, 5), None)
    assert (y.dtype, y.shape, y.scale, y.zero_point) == ("int8", (1, 2), 0.5, -3)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (
            [custom(b"FlexErf"), builtin(0)],
            r"TensorFlow's own operators \(FlexErf\).*without SELECT_TF_OPS.*edgernn export",
        ),
        ([custom(b"TFLite_Detection_PostProcess")], r"custom operators \(TFLite_Detection_PostProcess\)"),
        ([custom(b"\x1b[31m")], r"custom operators \(\x1b\[31m\)"),
    ],
)
def test_what_a_light_runtime_lacks_is_said(codes: list[Any], message: str) -> None:
    (reason,) = read_tflite(tflite_of(*codes)).missing
    assert re.search(message, reason)


def test_operators_newer_than_the_table_have_their_number() -> None:
    assert list(read_tflite(tflite_of(builtin(9999))).operators) == ["operator 9999"]


def test_an_onnx_file_is_what_onnx_says() -> None:
    body = helper.make_graph([helper.make_node("Tanh", ["a"], ["b"])], "body", [], [])
    nodes = [
        helper.make_node("Loop", ["n"], ["y"], body=body),
        helper.make_node("Tanh", ["x"], ["t"]),
        helper.make_node("Gelu", ["x"], ["u"], domain="com.microsoft"),
    ]
    weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None, 3]),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 2]),  # as old writers did
    ]
    facts = read_onnx(onnx_of(nodes, inputs=inputs, initializer=[weights]))
    assert facts.operators == {"Tanh": 2, "Loop": 1, "com.microsoft:Gelu": 1}
    ((x,), (y,)) = facts.inputs, facts.outputs
    assert (x.name, x.dtype, x.shape) == ("x", "float32", ("batch", -1, 3))
    assert (y.name, y.dtype, y.shape) == ("y", "int64", (2,))
    assert "opset 13" in facts.format
    assert not facts.missing


def test_operators_and_weights_from_elsewhere_are_said() -> None:
    weights = numpy_helper.from_array(np.ones(3, np.float32), "w")
    weights.data_location = TensorProto.EXTERNAL
    nodes = [helper.make_node("Op", ["x"], ["y"], domain="ai.example")]
    missing = read_onnx(onnx_of(nodes, initializer=[weights])).missing
    assert "needs operators (ai.example:Op)" in missing[0]
    assert "weights are in another file" in missing[1]


ONNX = onnx_of([helper.make_node("Tanh", ["x"], ["y"])], initializer=[numpy_helper.from_array(np.ones(9), "w")])


@given(st.data(), st.sampled_from([(read_tflite, sample().read_bytes()), (read_onnx, ONNX)]))
def test_damaged_files_are_read_or_refused(data: st.DataObject, case: tuple[Callable[[bytes], Any], bytes]) -> None:
    read, whole = case
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 6))):
        # One has its tables at the end, the other at the beginning.
        content[data.draw(st.integers(-min(3000, len(content)), len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = read(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ArtifactError as error:
        # Words of Python's readers of bytes.
        assert not re.search("buffer|unpack|index out of|codec", str(error))
        return
    json.dumps(vars(facts), default=vars)


@given(st.binary(max_size=300))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    for read, content in ((read_tflite, noise), (read_tflite, noise[:4] + b"TFL3" + noise[4:]), (read_onnx, noise)):
        try:
            read(content)
        except ArtifactError as error:
            assert "file" in str(error)


def test_a_file_that_names_one_part_again_and_again_is_walked_once() -> None:
    """Without sharing, 1,000 graphs with one list of 100,000 operators would be 100 million operators to read."""
    builder = flatbuffers.Builder(1024)
    schema.OperatorStart(builder)
    operator = schema.OperatorEnd(builder)
    schema.SubGraphStartOperatorsVector(builder, 100_000)
    for _ in range(100_000):
        builder.PrependUOffsetTRelative(operator)
    operators = builder.EndVector()
    graphs = []
    for _ in range(1000):
        schema.SubGraphStart(builder)
        schema.SubGraphAddOperators(builder, operators)
        graphs.append(schema.SubGraphEnd(builder))
    code = builtin(9).Pack(builder)
    schema.ModelStartOperatorCodesVector(builder, 1)
    builder.PrependUOffsetTRelative(code)
    codes = builder.EndVector()
    schema.ModelStartSubgraphsVector(builder, len(graphs))
    for graph in graphs:
        builder.PrependUOffsetTRelative(graph)
    subgraphs = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddOperatorCodes(builder, codes)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    assert read_tflite(bytes(builder.Output())).operators == {"FULLY_CONNECTED": 100_000_000}


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ([("a", 1), ("b", 1)], "found inputs: 2, outputs: 1, beside the states"),
        ([("a", 1), ("state_0", 1)], ""),
        ([("a", 3)], "'a' has type int8, expected float32"),
    ],
)
def test_a_file_that_edgernn_does_not_run_has_a_reason(
    inputs: list[tuple[str, int]], reason: str, tmp_path: Path, edgernn_command: Callable[..., Result]
) -> None:
    ports = [helper.make_tensor_value_info(name, kind, ["batch", "steps", 3]) for name, kind in inputs]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([helper.make_node("Tanh", ["a"], ["y"])], "g", ports, [y])
    (tmp_path / "a.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    shown = edgernn_command("info", tmp_path / "a.onnx").stdout
    assert (f"does not run it: {reason}" if reason else "pass --unverified to run it") in shown
    (document,) = json.loads(edgernn_command("info", tmp_path / "a.onnx", "--json").stdout)
    assert [each.startswith(reason) for each in document["refused"]] == ([True] if reason else [])


def test_integers_of_a_tflite_file_are_accepted_with_a_scale() -> None:
    assert read_tflite(tflite_of(builtin(9))).refused == ()
    refused = read_tflite(tflite_of(builtin(9), scale=0)).refused
    assert refused == ("'y' has type int8 without one scale, so its integers have no known meaning",)


def test_graphs_nested_without_end_are_refused() -> None:
    content = b""
    for _ in range(200):  # node { attribute { g { … } } }
        for key in (b"\x32", b"\x2a", b"\x0a"):
            size, length = len(content), b""
            while size > 127:
                length, size = length + bytes([size & 127 | 128]), size >> 7
            content = key + length + bytes([size]) + content
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    with pytest.raises(ArtifactError, match="nested more than 32 deep"):
        read_onnx(b"\x3a" + length + bytes([size]) + content)


def test_info_shows_a_file_without_a_card(tmp_path: Path, edgernn_command: Callable[..., Result]) -> None:
    (tmp_path / "a.onnx").write_bytes(onnx_of([helper.make_node("Tanh", ["x"], ["y"])]))
    (tmp_path / "b.tflite").write_bytes(tflite_of(custom(b"FlexErf\x1b[2J")))
    shown = edgernn_command("info", tmp_path / "a.onnx", tmp_path / "b.tflite")
    assert shown.exit_code == 0
    assert "float32 (batch, -1, 3), x" in shown.stdout
    assert r"FlexErf\x1b[2J" in shown.stdout
    assert "\x1b" not in shown.stdout
    first, second = json.loads(edgernn_command("info", tmp_path / "a.onnx", tmp_path / "b.tflite", "--json").stdout)
    assert (first["card"], first["operators"], first["missing"]) == (None, {"Tanh": 1}, [])
    assert second["outputs"][0]["scale"] == 0.5
    assert len(second["missing"]) == 1


def test_info_says_what_to_do_with_what_is_no_artifact(
    tmp_path: Path, edgernn_command: Callable[..., Result], refused: Callable[..., str]
) -> None:
    (tmp_path / "a.keras").write_bytes(b"PK")
    run = tmp_path / "run"
    run.mkdir()
    write_settings(run, {"name": "digits", "labels": ["a", "b"], "input": ""})
    shown = edgernn_command("info", tmp_path / "a.keras", run).stdout
    assert f"edgernn export {tmp_path / 'a.keras'} --samples SAMPLES makes artifacts from it" in shown
    assert f"edgernn export {run} makes artifacts from it" in shown
    assert len(json.loads(edgernn_command("info", tmp_path / "a.keras", run, "--json").stdout)) == 2
    (tmp_path / "a.txt").write_text("hello")
    assert "'.txt'" in refused("info", tmp_path / "a.txt")
    assert "expected a run folder" in refused("info", tmp_path)


def test_facts_fit_the_file_that_is_loaded() -> None:
    model = onnx.load_from_string(ONNX)
    facts = read_onnx(ONNX)
    assert [port.name for port in facts.inputs] == [port.name for port in model.graph.input]
