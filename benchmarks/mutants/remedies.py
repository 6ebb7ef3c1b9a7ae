"""Checks that load() does not make, to find out which of them would refuse artifacts with wrong answers."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgernn.arrays import Float32
from edgernn.card import Card
from edgernn.errors import ArtifactError
from edgernn.golden import golden_inputs
from edgernn.metrics import scale_of
from edgernn.model import Model

# Largest differences to the right answers, one an input, by kind of inputs.
Differences = Mapping[str, Sequence[float]]

UNIFORM, SPARSE, FAINT, STEPS = "uniform", "sparse", "faint", "uniform, step by step"
_MAX_INPUTS = 16
# Streaming all inputs would double the duration.
_STREAMED = 4


class Probe:
    """Compares mutants with an undamaged artifact on more inputs than its card has.

    Args:
        model: the undamaged artifact, loaded.
        card: its card.
    """

    def __init__(self, model: Model, card: Card) -> None:
        self._inputs = inputs(card)
        self._steps = bool(card.states)
        self._right = {name: model.predict(x) for name, x in self._inputs.items()}

    def differences(self, model: Model) -> Differences:
        """Return a model's differences, one a sample; infinity if it refuses or its answers have another shape."""
        found = {name: _differences(model.predict(x), self._right[name]) for name, x in self._inputs.items()}
        if self._steps:
            found[STEPS] = _differences(self._stream(model), self._right[UNIFORM][:_STREAMED])
        return found

    def _stream(self, model: Model) -> Float32:
        answers = []
        try:
            stream = model.stream()
            for sample in self._inputs[UNIFORM][:_STREAMED]:
                stream.reset()
                answers.append([stream.push(row) for row in sample][-1])
        except ArtifactError:
            return np.empty(0, np.float32)
        return np.stack(answers)


def inputs(card: Card, count: int = _MAX_INPUTS) -> dict[str, Float32]:
    """Make inputs for golden samples by kind; a card's golden inputs are uniform."""
    low, high = card.input_range
    uniform = golden_inputs(range(count), card.input_shape, low, high)
    shares = (uniform - np.float32(low)) / np.float32(max(high - low, 1e-30))
    # Like a picture: the upper quarter is spread over the whole range, all other values are at its lower end.
    sparse = np.maximum(4 * shares - 3, 0)
    # Samples of a quarter of the range up to all of it, for activations that are not saturated.
    faint = shares * (np.arange(count) % 4 + 1).reshape(-1, *[1] * (shares.ndim - 1)) / 4
    kinds = {SPARSE: sparse, FAINT: faint}
    return {UNIFORM: uniform} | {
        name: (np.float32(low) + each * np.float32(high - low)).astype(np.float32) for name, each in kinds.items()
    }


def checks(tolerance: float) -> dict[str, Callable[[Differences], bool]]:
    """Return checks by name: functions that return True if the check refuses differences above the tolerance."""
    rules: dict[str, Callable[[Sequence[float]], float]] = {
        "the median": lambda off: float(np.median(off)),
        "all but one": lambda off: sorted(off)[-2],
        "every one": max,
    }

    def check(name: str, count: int, rule: Callable[[Sequence[float]], float]) -> Callable[[Differences], bool]:
        # Written so that a NaN is refused.
        return lambda differences: name in differences and not rule(differences[name][:count]) <= tolerance

    kinds = [(name, count) for name in (UNIFORM, SPARSE, FAINT) for count in (4, 8, _MAX_INPUTS)]
    return {
        f"{rule_name} of {count} {name}": check(name, count, rule)
        for name, count in (*kinds, (STEPS, _STREAMED))
        for rule_name, rule in rules.items()
    }


def _differences(answers: Float32, right: Float32) -> list[float]:
    """Return the largest difference of each sample."""
    if answers.shape != right.shape:
        return [float("inf")] * len(right)
    worst = np.abs(answers - right).reshape(len(right), -1).max(axis=1) / scale_of(right)
    return [float(f"{each:.3g}") for each in worst]
