"""The ONNX Runtime backend, on small graphs written by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgernn import load
from edgernn.backends import onnxruntime
from edgernn.errors import ArtifactError, InputError

FEATURES, UNITS = 3, 4
RNG = np.random.default_rng(0)
W, R = (RNG.normal(size=(1, UNITS, size)).astype(np.float32) for size in (FEATURES, UNITS))


def graph(
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    first_state: str = "",
    optional: bool = True,
) -> bytes:
    """Return an RNN whose last state is the answer."""
    nodes = [
        helper.make_node("Transpose", ["input"], ["rows"], perm=[1, 0, 2]),
        helper.make_node("RNN", ["rows", "w", "r", "", "", first_state], ["", "last"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["last", "zero"], ["output"]),
    ]
    constants = {"w": W, "r": R, "zero": np.array([0])}
    if first_state:
        nodes[1:1] = [
            helper.make_node("Shape", ["rows"], ["shape"]),
            helper.make_node("Min", ["shape", "limits"], ["wanted"]),
            helper.make_node("Expand", ["state_0", "wanted"], [first_state]),
        ]
        nodes.append(helper.make_node("Identity", ["output"], ["state_0_out"]))
        constants["limits"] = np.array([1, 1 << 31, 1])
        constants |= {"state_0": np.zeros((1, UNITS), np.float32)} if optional else {}
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "small", inputs, outputs, initializers)
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    data: bytes = proto.SerializeToString()
    return data


def value(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


SEQUENCE, ANSWER = value("input", "batch", "steps", FEATURES), value("output", "batch", UNITS)
STATE, LAST_STATE = value("state_0", "batch", UNITS), value("state_0_out", "batch", UNITS)


@pytest.fixture
def streaming() -> onnxruntime._OnnxRuntime:
    return onnxruntime._OnnxRuntime(graph([SEQUENCE, STATE], [ANSWER, LAST_STATE], "first"), threads=1)


def states_of(x: np.ndarray) -> np.ndarray:
    """Compute the state after every step of one sequence with NumPy: [steps, units]."""
    states = [np.zeros(UNITS, np.float32)]
    for row in x:
        states.append(np.tanh(W[0] @ row + R[0] @ states[-1]))
    return np.array(states[1:])


def samples(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*shape, FEATURES)).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 7, 300])
@pytest.mark.parametrize("steps", [1, 6])
def test_any_batch_and_any_number_of_steps(streaming: onnxruntime._OnnxRuntime, batch: int, steps: int) -> None:
    x = samples(batch, steps)
    assert streaming.input_shapes == ((-1, FEATURES),)
    expected = [states_of(sample)[-1] for sample in x]
    for _ in range(2):  # one call does not change the next
        np.testing.assert_allclose(streaming.run((x,))[0], expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_first_input_alone_is_enough_for_onnx_runtime(batch: int) -> None:
    """Call it as other programs do: the first input by its name, every output, no session options."""
    import onnxruntime as library

    data = graph([SEQUENCE, STATE], [ANSWER, LAST_STATE], "first")
    session = library.InferenceSession(data, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    x, states = samples(batch, 6), RNG.normal(size=(batch, UNITS)).astype(np.float32)
    answers, last = session.run(None, {source.name: x})
    np.testing.assert_allclose(answers, [states_of(sample)[-1] for sample in x], atol=1e-5)
    np.testing.assert_array_equal(answers, last)
    halves = session.run(None, {source.name: x[:, :2]})[1], x[:, 2:]
    np.testing.assert_allclose(session.run(None, {"state_0": halves[0], "input": halves[1]})[0], answers, atol=1e-5)
    assert np.abs(session.run(None, {"state_0": states, "input": x})[0] - answers).max() > 1e-3


def test_a_file_that_fails_in_a_call_is_an_error_and_its_names_are_not_logged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    nodes = [helper.make_node("Reshape", ["input", "shape"], ["output"], name="\x1b]0;title\x07\nerror: none")]
    shape = numpy_helper.from_array(np.array([7, FEATURES]), "shape")
    made = helper.make_graph(nodes, "fails", [SEQUENCE], [value("output", "batch", FEATURES)], [shape])
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    opened = onnxruntime._OnnxRuntime(proto.SerializeToString(), threads=1)
    with pytest.raises(ArtifactError, match=r"cannot run the file: .*\\x1b]0;title"):
        opened.run((samples(1, 6),))
    assert capfd.readouterr().err == ""


def test_a_stream_goes_row_by_row(streaming: onnxruntime._OnnxRuntime) -> None:
    x, stream = samples(20), streaming.start()
    answers = [stream.step((row,))[0] for row in x]
    np.testing.assert_allclose(answers, states_of(x), atol=1e-5)  # every answer is a separate array
    np.testing.assert_allclose(streaming.run((x[np.newaxis],))[0][0], answers[-1], atol=1e-5)
    stream.reset()
    np.testing.assert_array_equal(stream.step((x[0],))[0], answers[0])


@pytest.mark.parametrize("before", [0, 1, 2, 5])
def test_states_are_saved_and_restored(streaming: onnxruntime._OnnxRuntime, before: int) -> None:
    x, stream, other = samples(9), streaming.start(), streaming.start()
    for row in x[:before]:
        stream.step((row,))
    saved = stream.states
    assert [state.shape for state in saved] == [(UNITS,)]
    answers = [stream.step((row,))[0] for row in x[before:]]
    other.step((x[-1],))  # an odd number of steps, so that it goes on from the other of its two arrays
    for target in (stream, other):
        target.states = saved
        np.testing.assert_array_equal([target.step((row,))[0] for row in x[before:]], answers)


def test_streams_are_independent(streaming: onnxruntime._OnnxRuntime) -> None:
    x, y = samples(5), -samples(5)
    one, two = streaming.start(), streaming.start()
    answers = [
        (one.step((a,))[0], streaming.run((y[np.newaxis],))[0], two.step((b,))[0]) for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose([answer[0] for answer in answers], states_of(x), atol=1e-5)
    np.testing.assert_allclose([answer[2] for answer in answers], states_of(y), atol=1e-5)


def test_a_stream_outlives_its_artifact() -> None:
    stream = onnxruntime._OnnxRuntime(graph([SEQUENCE, STATE], [ANSWER, LAST_STATE], "first"), threads=1).start()
    x = samples(30)
    np.testing.assert_allclose([stream.step((row,))[0] for row in x], states_of(x), atol=1e-5)


@pytest.mark.parametrize("shapes", [[], [(UNITS + 1,)], [(1, UNITS)], [(UNITS,)] * 2])
def test_states_of_other_shapes_are_refused(streaming: onnxruntime._OnnxRuntime, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match=r"expected \['float32 \(4,\)'\]"):
        streaming.start().states = [np.zeros(shape, np.float32) for shape in shapes]


def test_a_file_without_states_does_not_stream() -> None:
    backend = onnxruntime.open_artifact(graph([value("input", "batch", 6, FEATURES)], [ANSWER]), threads=1)
    assert backend.input_shapes == ((6, FEATURES),)
    x = samples(7, 6)
    np.testing.assert_allclose(backend.run((x,))[0], [states_of(sample)[-1] for sample in x], atol=1e-5)
    with pytest.raises(ArtifactError, match="cannot stream"):
        backend.start()


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_a_static_file_takes_any_batch_here(batch: int) -> None:
    backend = onnxruntime.open_artifact(graph([value("input", 1, 6, FEATURES)], [value("output", 1, UNITS)]), threads=1)
    assert backend.input_shapes == ((6, FEATURES),)
    x = samples(batch, 6)
    np.testing.assert_allclose(backend.run((x,))[0], [states_of(sample)[-1] for sample in x], atol=1e-5)
    with pytest.raises(ArtifactError, match="cannot stream"):
        backend.start()


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ([value("input", 1, "steps", FEATURES), STATE], [ANSWER, LAST_STATE], "expected a free batch"),
        ([value("input", "batch", 6, FEATURES), STATE], [ANSWER, LAST_STATE], "takes 6 steps, expected a free number"),
    ],
)
def test_states_need_a_free_batch_and_free_steps(
    inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], reason: str
) -> None:
    with pytest.raises(ArtifactError, match=reason):
        onnxruntime.open_artifact(graph(inputs, outputs, "first"), threads=1)


def test_a_larger_fixed_batch_is_refused() -> None:
    data = graph([value("input", 4, 6, FEATURES)], [value("output", 4, UNITS)])
    with pytest.raises(ArtifactError, match="takes batches of 4, expected a free batch, or a batch of one"):
        onnxruntime.open_artifact(data, threads=1)


@pytest.mark.parametrize("batch", [1, 3])
def test_states_that_must_be_given_are(batch: int) -> None:
    data = graph([SEQUENCE, STATE], [ANSWER, LAST_STATE], "first", optional=False)
    backend, x = onnxruntime.open_artifact(data, threads=1), samples(batch, 6)
    np.testing.assert_allclose(backend.run((x,))[0], [states_of(sample)[-1] for sample in x], atol=1e-5)
    stream = backend.start()
    np.testing.assert_allclose([stream.step((row,))[0] for row in x[0]], states_of(x[0]), atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ([SEQUENCE, value("other", "batch", UNITS)], [ANSWER], r"input 'other' has shape \['batch', 4\], expected"),
        ([SEQUENCE, value("state_0", "batch", UNITS)], [ANSWER], r"takes the states \['state_0'\] and returns \[\]"),
        ([value("input", "batch", "steps", "features")], [ANSWER], "input 'input' has shape"),
    ],
)
def test_other_graphs_are_refused(
    inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], reason: str
) -> None:
    with pytest.raises(ArtifactError, match=reason):
        onnxruntime.open_artifact(graph(inputs, outputs), threads=1)


def test_several_inputs_and_outputs_run_in_the_files_order_and_a_model_has_one_of_each(tmp_path: Path) -> None:
    names, sums = ("left", "right"), ("sum", "difference")
    nodes = [helper.make_node(operator, names, [name]) for operator, name in zip(("Add", "Sub"), sums, strict=True)]
    inputs, outputs = ([value(name, "batch", "steps", FEATURES) for name in each] for each in (names, sums))
    proto = helper.make_model(
        helper.make_graph(nodes, "two", inputs, outputs), opset_imports=[helper.make_opsetid("", 13)], ir_version=7
    )
    data = proto.SerializeToString()
    backend, a, b = onnxruntime.open_artifact(data, threads=1), samples(2, 5), samples(2, 5) * np.float32(3)
    assert backend.input_shapes == backend.output_shapes == ((-1, FEATURES), (-1, FEATURES))
    for found, expected in zip(backend.run((a, b)), (a + b, a - b), strict=True):
        np.testing.assert_array_equal(found, expected)
    (tmp_path / "two.onnx").write_bytes(data)
    with pytest.raises(
        ArtifactError, match=r"found inputs: 2, outputs: 2, .* runs models with one input and one output"
    ):
        load(tmp_path / "two.onnx", unverified=True)


def test_damaged_files_are_refused() -> None:
    with pytest.raises(ArtifactError, match="refuses the file"):
        onnxruntime.open_artifact(b"no protobuf", threads=1)
