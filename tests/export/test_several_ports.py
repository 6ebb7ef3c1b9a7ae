"""A .tflite file with several inputs and outputs, as backends see it: in the order of the sequence's signature."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from edgernn.backends import open_artifact
from edgernn.errors import InputError

STEPS, FEATURES = 4, 3


class Sums(tf.Module):  # type: ignore[misc]  # TensorFlow is not typed
    """The sum of each of two sequences, twice the first; the step has them, and the states, in another order."""

    @tf.function
    def sequence(self, first: Any, second: Any) -> dict[str, Any]:
        return {"double": 2 * tf.reduce_sum(first, 1), "plain": tf.reduce_sum(second, 1)}

    @tf.function
    def step(self, second: Any, state_0: Any, first: Any, state_1: Any) -> dict[str, Any]:
        one, two = state_0 + first[:, 0], state_1 + second[:, 0]
        return {"plain": tf.identity(two), "state_1": two, "double": 2 * one, "state_0": one}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    def spec(name: str, *shape: int) -> Any:
        return tf.TensorSpec((1, *shape, FEATURES), tf.float32, name)

    module, folder = Sums(), tmp_path_factory.mktemp("sums")
    signatures = {
        "sequence": module.sequence.get_concrete_function(spec("first", STEPS), spec("second", STEPS)),
        "step": module.step.get_concrete_function(
            spec("second", 1), spec("state_0"), spec("first", 1), spec("state_1")
        ),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=list(signatures))
    content: bytes = converter.convert()
    return content


def test_a_step_has_the_order_of_the_sequence(data: bytes) -> None:
    backend = open_artifact(Path("sums.tflite"), data, 1)
    x = np.random.default_rng(0).random((2, 1, STEPS, FEATURES), np.float32)
    stream = backend.start()
    for rows in zip(*(part[0] for part in x), strict=True):
        answers = stream.step(rows)
    for streamed, whole in zip(answers, backend.run(tuple(x)), strict=True):
        np.testing.assert_allclose(streamed, whole[0], rtol=1e-6)


@pytest.mark.parametrize("states", [None, 5, (each for each in ()), ["a", "b"]])
def test_states_of_another_kind_are_refused_and_nothing_is_lost(data: bytes, states: Any) -> None:
    stream = open_artifact(Path("sums.tflite"), data, 1).start()
    row = np.ones(FEATURES, np.float32)
    first = stream.step((row, row))
    with pytest.raises(InputError, match=r"states of .* given, expected \['float32 \(3,\)', 'float32 \(3,\)'\]"):
        stream.states = states
    second = stream.step((row, row))
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(after, 2 * before)
