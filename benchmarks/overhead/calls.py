"""Time of a call of the runtime, as a multiple of the bare backend's; the same file, float32 in and out."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

import edgernn
from common.bare_subjects import BARE_BACKENDS, from_tflite, open_interpreter, open_session
from common.checks import Check, ratio_check
from edgernn.arrays import Float32
from edgernn.backends.tflite_file import StepFile, step_file
from edgernn.bench.statistics import summarize
from edgernn.bench.stopwatch import Local, Method, Ready, measure
from edgernn.errors import ArtifactError

Call = Callable[[], object]

METHOD = Method(rounds=40, seconds=2.0)
BATCH = 100
MAX_PREDICT_RATIO, MAX_PUSH_RATIO = 1.3, 1.6
# ONNX Runtime answers a batch in one call; the graph of a .tflite file has room for one sample.
MAX_BATCH_RATIO = {".onnx": 0.7, ".tflite": 1.0}


def overhead_checks(path: Path) -> list[Check]:
    """Measure `predict`, `push` and a batch, including their input checks."""
    backend = BARE_BACKENDS[path.suffix]
    x = np.random.default_rng(0).random((BATCH, *edgernn.load(path).input_shape), np.float32)
    make = _bare_tflite if path.suffix == ".tflite" else _bare_onnx

    def load() -> Ready:
        return Ready({**make(path.read_bytes(), x), **_ours(edgernn.load(path, backend=backend), x)})

    # One subject with many calls, so that each round reloads all of them.
    rounds = measure({path.name: Local(load)}, METHOD)[path.name]
    median = {name: summarize(each).median_us for name, each in rounds.items()}
    return _checks(path, median)


def _checks(path: Path, median: Mapping[str, float]) -> list[Check]:
    group = f"{path.name}, × the bare backend"
    bare, step, predict, push = (median[name] for name in ("bare", "step", "predict", "push"))
    checks = [
        ratio_check(group, f"predict / bare call ({bare:.1f} µs)", predict / bare, MAX_PREDICT_RATIO),
        ratio_check(group, f"push / bare step ({step:.1f} µs)", push / step, MAX_PUSH_RATIO),
    ]
    if "runner" in median:
        name = f"push / signature's runner ({median['runner']:.1f} µs)"
        checks.append(ratio_check(group, name, push / median["runner"]))
    limit, one = MAX_BATCH_RATIO[path.suffix], median["batch"] / BATCH
    return [*checks, ratio_check(group, f"one of a batch of {BATCH} / one by one", one / predict, limit)]


def _ours(model: edgernn.Model, x: Float32) -> dict[str, Call]:
    sample, row, stream = x[0], x[0, 0], model.stream()
    return {
        "predict": lambda: model.predict(sample),
        "batch": lambda: model.predict(x),
        "push": lambda: stream.push(row),
    }


def _bare_tflite(data: bytes, x: Float32) -> dict[str, Call]:
    file = step_file(data)
    if file is None:
        raise ArtifactError("no signature `step` to measure, expected an artifact that can stream")
    return {"bare": partial(from_tflite(data).load(), x[:1]), "step": _bare_step(file, x), "runner": _runner(data, x)}


def _bare_step(file: StepFile, x: Float32) -> Call:
    """Return the shortest possible step: the row and the states in, the answer and the states out."""
    interpreter = open_interpreter(file.data)
    inputs = dict(zip(file.names.inputs, interpreter.get_input_details(), strict=True))
    outputs = dict(zip(file.names.outputs, interpreter.get_output_details(), strict=True))
    names = [name for name in file.names.inputs if name.startswith("state_")]
    (row_name,), (answer_name,) = inputs.keys() - set(names), outputs.keys() - set(names)
    row = x[0, 0].reshape(inputs[row_name]["shape"])
    source, target = inputs[row_name]["index"], outputs[answer_name]["index"]
    before, after = ([ports[name]["index"] for name in names] for ports in (inputs, outputs))
    states = [np.zeros(inputs[name]["shape"], inputs[name]["dtype"]) for name in names]

    def any_states() -> object:
        interpreter.set_tensor(source, row)
        for index, state in zip(before, states, strict=True):
            interpreter.set_tensor(index, state)
        interpreter.invoke()
        states[:] = [interpreter.get_tensor(index) for index in after]
        return interpreter.get_tensor(target)

    if len(names) != 1:
        return any_states
    (first,), (last,) = before, after

    def one_state() -> object:  # the shortest code for exactly one state
        interpreter.set_tensor(source, row)
        interpreter.set_tensor(first, states[0])
        interpreter.invoke()
        states[0] = interpreter.get_tensor(last)
        return interpreter.get_tensor(target)

    return one_state


def _runner(data: bytes, x: Float32) -> Call:
    """Return the step by the documented way, the runner of the signature."""
    runner = open_interpreter(data).get_signature_runner("step")
    details = runner.get_input_details()
    (row_name,) = (name for name in details if not name.startswith("state_"))
    states = {name: np.zeros(each["shape"], each["dtype"]) for name, each in details.items() if name != row_name}
    row = x[0, 0].reshape(details[row_name]["shape"])

    def call() -> object:
        answers = runner(**{row_name: row}, **states)
        for name in states:
            states[name] = answers[name]
        return answers

    return call


def _bare_onnx(data: bytes, x: Float32) -> dict[str, Call]:
    session = open_session(data, **{"session.disable_quant_qdq": "1"})
    (source,), before = session.get_inputs(), session.get_overridable_initializers()
    target, *after = session.get_outputs()
    zeros = {state.name: np.zeros((1, state.shape[1]), np.float32) for state in before}
    sample, row = x[:1], x[:1, :1]
    answers = [target.name, *(state.name for state in after)]
    states = dict(zeros)

    def step() -> object:
        answer, *last = session.run(answers, {source.name: row, **states})
        states.update(zip(zeros, last, strict=True))
        return answer

    return {"bare": lambda: session.run([target.name], {source.name: sample}), "step": step}
