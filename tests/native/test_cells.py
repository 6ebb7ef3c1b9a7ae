"""Programs of every cell kind and many numbers of units give LiteRT's bits on 2,000 samples; `make test-native`.

Whole and streamed, in both layouts, in int8; in float32 within its rounding. `make test` compares small models.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from program import comparing

from edgernn.arrays import Float32
from edgernn_export import select_targets
from edgernn_export.targets import Target
from matrix.architectures import RECURRENT, Architecture, layer
from matrix.checking import look

SAMPLES = 2_000
UNITS = (1, 3, 10, 24, 31, 32, 33, 64, 100, 256)
TARGETS = select_targets(("tflite",), ("int8", "float32"), ("unrolled", "loop"))


def faults_of_many_samples(_target: Target, data: bytes, x: Float32) -> Iterator[str]:
    """Yield where the program of a file differs from LiteRT on random samples around and far outside of given ones."""
    random = np.random.default_rng(1)
    noise = random.normal(size=(SAMPLES, *x.shape[1:])) * random.choice([0.1, 1, 4], (SAMPLES, 1, 1))
    samples = (x[random.integers(len(x), size=SAMPLES)] + noise).astype(np.float32)
    yield from comparing.faults(data, samples, streamed=SAMPLES)


def check(architecture: Architecture) -> None:
    result = look(architecture, TARGETS, examine=faults_of_many_samples)
    assert [str(outcome.target) for outcome in result.outcomes if not outcome.made] == []
    assert {str(outcome.target): outcome.remarks for outcome in result.outcomes if outcome.remarks} == {}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("kind", RECURRENT)
def test_a_cell_gives_the_bits_of_litert(kind: str, units: int) -> None:
    check(Architecture((layer(kind, units=units),), steps=8, features=7, outputs=10))


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_a_gru_that_resets_before_or_after_gives_the_bits_of_litert(reset_after: bool, sequences: bool) -> None:
    gru = layer("GRU", units=24, reset_after=reset_after, recurrent_activation="hard_sigmoid")
    check(Architecture((gru,), sequences=sequences, outputs=3))


@pytest.mark.parametrize("units", [(10, 24), (33, 31), (64, 100)])
@pytest.mark.parametrize("sequences", [False, True])
def test_stacks_give_the_bits_of_litert(units: tuple[int, int], sequences: bool) -> None:
    first, second = units
    stack = (layer("SimpleRNN", units=first), layer("LSTM", units=second), layer("GRU", units=first))
    check(Architecture(stack, sequences=sequences, behind=(layer("Dense", units=12, activation="relu"),)))


@pytest.mark.parametrize("kind", RECURRENT)
def test_bidirectional_layers_give_the_bits_of_litert(kind: str) -> None:
    check(Architecture((layer(kind, "concat", units=24), layer(kind, units=10, go_backwards=True)), outputs=5))


@pytest.mark.parametrize("kind", ["LayerNormalization", "RMSNormalization"])
def test_normalization_gives_the_bits_of_litert(kind: str) -> None:
    normalized = (layer("GRU", units=24), layer("LSTM", units=10))
    check(Architecture(normalized, between=(layer(kind),), behind=(layer(kind),), outputs=4))
