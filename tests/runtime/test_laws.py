"""Laws that every loaded artifact follows, for any input."""

import copy
import os
import pickle
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import edgernn
from edgernn.card import seal

STEPS, FEATURES, MOST = 28, 28, 4
NAMES = (
    "digits-float32.tflite",
    "digits-int8.tflite",
    "digits-int8-loop.tflite",
    "digits-int16x8.tflite",
    "digits-dynamic-fused.tflite",
    "digits-int8.onnx",
)
# Integers: the same bits whole and row by row. Others: a stream runs on other kernels, which add in another order; a
# dynamic file's kernels round activations to int8 as it runs, int16's in the last place.
APART = {"digits-int8.tflite": 0.0, "digits-int8-loop.tflite": 0.0, "digits-int16x8.tflite": 5e-3}
STREAMED_APART = {**APART, "digits-dynamic-fused.tflite": 0.05}
BATCHED_APART = {"digits-int8.onnx": 1e-5}

batches = st.integers(1, MOST).flatmap(
    lambda count: arrays(np.float32, (count, STEPS, FEATURES), elements=st.floats(0, 1, width=32), fill=st.just(0.0))
)
law = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(scope="module", params=[*((name, None) for name in NAMES), ("digits-int8.tflite", "litert")])
def model(request: pytest.FixtureRequest, artifacts: Path) -> edgernn.Model:
    name, backend = request.param
    return edgernn.load(artifacts / name, backend=backend)


@pytest.fixture(scope="module", params=["digits-int8.tflite", "digits-int16x8.tflite"])
def sensors(request: pytest.FixtureRequest, artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> edgernn.Model:
    """Return an artifact whose inputs are not pixels, so that large numbers are not refused."""
    data = (artifacts / request.param).read_bytes()
    digest = data.index(b'"sha256":"') + len(b'"sha256":"')
    unsealed = data[:digest] + b"0" * 64 + data[digest + 64 :]
    path = tmp_path_factory.mktemp("sensors") / request.param
    path.write_bytes(seal(unsealed.replace(b'"pixel / 255"', b'"m/s squared"')))
    return edgernn.load(path)


def streamed(stream: edgernn.Stream, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [stream.push(row) for row in rows]


@given(x=batches)
@law
def test_a_batch_is_its_samples_one_by_one(model: edgernn.Model, x: np.ndarray) -> None:
    one_by_one = np.stack([model.predict(sample) for sample in x])
    np.testing.assert_allclose(model.predict(x), one_by_one, rtol=0, atol=BATCHED_APART.get(model.path.name, 0))


@given(x=batches)
@law
def test_streaming_is_predicting(model: edgernn.Model, x: np.ndarray) -> None:
    whole, stream = model.predict(x), model.stream()
    for sample, answer in zip(x, whole, strict=True):
        stream.reset()
        np.testing.assert_allclose(
            streamed(stream, sample)[-1], answer, rtol=0, atol=STREAMED_APART.get(model.path.name, 1e-5)
        )


@given(x=batches, turns=st.lists(st.integers(0, MOST - 1), max_size=3 * STEPS))
@law
def test_the_order_of_streams_does_not_matter(model: edgernn.Model, x: np.ndarray, turns: list[int]) -> None:
    alone = [streamed(model.stream(), sample) for sample in x]
    streams, pushed = [model.stream() for _ in x], [0] * len(x)
    for turn in turns:
        which = turn % len(x)
        if pushed[which] < STEPS:
            answer = streams[which].push(x[which][pushed[which]])
            np.testing.assert_array_equal(answer, alone[which][pushed[which]])
            pushed[which] += 1
            model.predict(x[which])  # leaves no trace in any stream


@given(x=batches, before=st.integers(0, STEPS))
@law
def test_save_and_restore_change_nothing(model: edgernn.Model, x: np.ndarray, before: int) -> None:
    stream, other = model.stream(), model.stream()
    first, then = x[0][:before], x[-1]
    streamed(stream, first)
    saved = stream.state
    answers = streamed(stream, then)
    streamed(other, then[:3])
    other.state = saved
    np.testing.assert_array_equal(streamed(other, then), answers)
    assert all(np.array_equal(a, b) for a, b in zip(other.state, stream.state, strict=True))


@given(x=batches, parts=st.lists(st.integers(1, STEPS), max_size=5))
@law
def test_many_rows_are_rows_one_by_one(model: edgernn.Model, x: np.ndarray, parts: list[int]) -> None:
    one, many = model.stream(), model.stream()
    answers, place = [], 0
    for part in [*parts, STEPS]:
        rows = x[0][place : place + part]
        if len(rows):
            answers.extend(many.push_many(rows))
        place += part
    np.testing.assert_array_equal(np.stack(answers), streamed(one, x[0]))


@given(x=batches, data=st.data())
@law
def test_the_same_numbers_are_the_same_input(model: edgernn.Model, x: np.ndarray, data: st.DataObject) -> None:
    whole = model.predict(x)
    kept = whole.copy()
    same = data.draw(
        st.sampled_from(
            [x.astype(np.float64), x.astype(">f4"), np.asfortranarray(x), np.repeat(x, 2, axis=2)[..., ::2], x.tolist()]
        )
    )
    np.testing.assert_array_equal(model.predict(same), kept)
    np.testing.assert_array_equal(whole, kept)  # each answer is a separate array


@pytest.mark.parametrize("threads", [8])
def test_every_thread_gets_its_own_answers(model: edgernn.Model, threads: int) -> None:
    x = np.random.default_rng(0).random((threads, STEPS, FEATURES), np.float32)
    answers = [model.predict(sample) for sample in x]
    pushed = [streamed(model.stream(), sample) for sample in x]

    def work(which: int) -> bool:
        right = True
        for _ in range(40):
            right &= np.array_equal(model.predict(x[which]), answers[which])
            right &= np.array_equal(streamed(model.stream(), x[which]), pushed[which])
        return right

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(work, range(threads)))


def test_a_refused_row_leaves_the_state(model: edgernn.Model) -> None:
    x = np.random.default_rng(1).random((STEPS, FEATURES), np.float32)
    expected, stream = streamed(model.stream(), x), model.stream()
    answers = []
    for row in x:
        with pytest.raises(edgernn.InputError):
            stream.push(np.full(FEATURES, np.nan))
        with pytest.raises(edgernn.InputError):
            stream.push_many(np.full((2, FEATURES), np.inf))
        answers.append(stream.push(row))
    np.testing.assert_array_equal(answers, expected)


@pytest.mark.parametrize(
    "bad",
    [[], [np.zeros(3, np.float32)] * 9, "none", [np.full(64, np.nan, np.float32)]],
    ids=["none", "too many", "text", "NaN"],
)
def test_states_that_do_not_fit_are_refused(model: edgernn.Model, bad: object) -> None:
    stream = model.stream()
    with pytest.raises(edgernn.InputError, match="states"):
        stream.state = bad  # type: ignore[assignment]
    assert all(not state.any() for state in stream.state)


def test_what_else_is_in_memory_does_not_matter(model: edgernn.Model) -> None:
    """An interpreter reads weights from the file's bytes, which must live as long as it does."""
    x = np.random.default_rng(2).random((STEPS, FEATURES), np.float32)
    stream = model.stream()
    expected = model.predict(x), streamed(stream, x)
    size = model.path.stat().st_size
    junk = [bytes([255]) * (size + extra) for extra in range(-40, 40) for _ in range(10)]
    stream.reset()
    np.testing.assert_array_equal(model.predict(x), expected[0])
    np.testing.assert_array_equal(streamed(stream, x), expected[1])
    assert len(junk) == 800
    engine = getattr(model._executor, "_engine", None)  # of an interpreter; the others copy
    memory = getattr(engine, "memory", None)
    assert memory is None or model.path.read_bytes() in memory


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_process_forked_in_the_middle_of_an_answer_answers(artifacts: Path) -> None:
    """The child has the lock that another thread held, but not that thread."""
    model = edgernn.load(artifacts / "digits-int8.tflite", backend="litert")
    x = np.random.default_rng(3).random((STEPS, FEATURES), np.float32)
    expected, stream = model.predict(x), model.stream()
    held = [model._executor._access, stream._stepper._steps.access]  # type: ignore[attr-defined]
    for access in held:
        access.lock.acquire()
        access.busy = True
    child = os.fork()
    if child == 0:  # the locks are free here
        with ThreadPoolExecutor(1) as pool:  # because the forking thread could pass its own lock
            right = pool.submit(lambda: np.array_equal(model.predict(x), expected) and len(stream.push(x[0])) == 10)
            os._exit(0 if right.result(timeout=20) else 1)
    _, status = os.waitpid(child, 0)
    for access in held:
        access.busy = False
        access.lock.release()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such signal")
def test_a_signal_handler_is_refused_and_spoils_nothing(model: edgernn.Model) -> None:
    x = np.random.default_rng(4).random((STEPS, FEATURES), np.float32)
    expected, refused, answered = model.predict(x), 0, 0

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal refused, answered
        try:
            np.testing.assert_array_equal(model.predict(1 - x), other)
            answered += 1
        except edgernn.ArtifactError as error:
            assert "called from a signal handler" in str(error)
            refused += 1

    other = model.predict(1 - x)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0005)
    try:
        for _ in range(3000):
            np.testing.assert_array_equal(model.predict(x), expected)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert refused + answered > 0


def test_models_and_streams_do_not_go_to_other_processes(model: edgernn.Model) -> None:
    for each, message in ((model, "load the file in each process"), (model.stream(), "copy or send its `state`")):
        with pytest.raises(TypeError, match=message):
            pickle.dumps(each)
        with pytest.raises(TypeError, match=message):
            copy.copy(each)


@pytest.mark.filterwarnings("ignore::edgernn.InputWarning")
@pytest.mark.parametrize("far", [2.0, 65_540.0, 8e6, 3e38])
def test_what_is_beyond_the_integers_is_cut_off(sensors: edgernn.Model, far: float) -> None:
    """Kernels clip values beyond 8 or 16 bits, but overflow beyond 32 bits."""
    assert sensors.card is not None
    assert sensors.card.inputs[0].limits
    reach = max(map(abs, sensors.card.inputs[0].limits))
    x, near = (np.full(sensors.input_shape, min(times * reach, 3e38), np.float32) for times in (far, 1.9))
    for sign in (1, -1):
        np.testing.assert_array_equal(sensors.predict(sign * x), sensors.predict(sign * near))
        np.testing.assert_array_equal(sensors.stream().answer(sign * x), sensors.stream().answer(sign * near))
