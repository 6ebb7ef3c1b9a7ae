"""Checks that load() does not make: which of them would refuse an artifact that answers wrongly all the same."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgernn.arrays import Float32
from edgernn.card import Card
from edgernn.errors import ArtifactError
from edgernn.golden import golden_inputs
from edgernn.metrics import scale_of
from edgernn.model import Model

# By the kind of inputs, of each of them the largest difference to the right answer.
Differences = Mapping[str, Sequence[float]]

UNIFORM, SPARSE, FAINT, STEPS = "uniform", "sparse", "faint", "uniform, step by step"
_MOST = 16
# A stream of every one would take as long as everything else.
_STREAMED = 4


class Probe:
    """Knows what an undamaged artifact answers to more inputs than its card has.

    Args:
        model: the undamaged artifact, loaded.
        card: its card.
    """

    def __init__(self, model: Model, card: Card) -> None:
        self._inputs = inputs(card)
        self._steps = bool(card.states)
        self._right = {name: model.predict(x) for name, x in self._inputs.items()}

    def differences(self, model: Model) -> Differences:
        """How far a model is off, sample by sample; infinitely where it refuses or answers in another shape."""
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


def inputs(card: Card, count: int = _MOST) -> dict[str, Float32]:
    """Inputs that could be a card's golden ones, by their kind; uniform is what they are."""
    low, high = card.input_range
    uniform = golden_inputs(range(count), card.input_shape, low, high)
    shares = (uniform - np.float32(low)) / np.float32(max(high - low, 1e-30))
    # As most values of a picture: the upper quarter spread over the whole range, everything else at its lower end.
    sparse = np.maximum(4 * shares - 3, 0)
    # Samples from a quarter of the range to all of it: activations that are not at their ends.
    faint = shares * (np.arange(count) % 4 + 1).reshape(-1, *[1] * (shares.ndim - 1)) / 4
    kinds = {SPARSE: sparse, FAINT: faint}
    return {UNIFORM: uniform} | {
        name: (np.float32(low) + each * np.float32(high - low)).astype(np.float32) for name, each in kinds.items()
    }


def checks(tolerance: float) -> dict[str, Callable[[Differences], bool]]:
    """Checks by name: whether they refuse an artifact that is so far off, which `tolerance` is promised for."""
    rules: dict[str, Callable[[Sequence[float]], float]] = {
        "the median": lambda off: float(np.median(off)),
        "all but one": lambda off: sorted(off)[-2],
        "every one": max,
    }

    def check(name: str, count: int, rule: Callable[[Sequence[float]], float]) -> Callable[[Differences], bool]:
        # Written so that a NaN is refused.
        return lambda differences: name in differences and not rule(differences[name][:count]) <= tolerance

    kinds = [(name, count) for name in (UNIFORM, SPARSE, FAINT) for count in (4, 8, _MOST)]
    return {
        f"{rule_name} of {count} {name}": check(name, count, rule)
        for name, count in (*kinds, (STEPS, _STREAMED))
        for rule_name, rule in rules.items()
    }


def _differences(answers: Float32, right: Float32) -> list[float]:
    """Of each sample the largest difference."""
    if answers.shape != right.shape:
        return [float("inf")] * len(right)
    worst = np.abs(answers - right).reshape(len(right), -1).max(axis=1) / scale_of(right)
    return [float(f"{each:.3g}") for each in worst]
