"""The shape of a sample: the only place where a model's own shape becomes (steps, features).

A Keras model may take images, vectors or several axes of features. Artifacts, streams and golden samples have one form,
(steps, features): the first axis is the steps, and the others are one axis of features. This module needs no NumPy.
"""

from typing import TYPE_CHECKING

from edgernn.records import record

if TYPE_CHECKING:
    from edgernn.arrays import Array

Sizes = tuple[int | None, ...]


@record(frozen=True)
class SampleShape:
    """Shape of one sample, in both forms.

    Attributes:
        rows: (steps, features); None for a free number of steps.
        own: as the Keras model takes it, such as (28, 28, 1), its first axis None if the steps are free; empty if it is
            (steps, features) already.
    """

    rows: Sizes
    own: Sizes = ()

    def own_with(self, steps: int) -> tuple[int, ...]:
        """Return the own shape with another number of steps; a vector that is one row stays one."""
        if not self.own:
            return ()
        first, *rest = self.own
        return (steps if first == self.rows[0] else first or steps, *(size or 1 for size in rest))

    def fold(self, x: "Array") -> "Array":
        """Return one sample or many as (steps, features) or [samples, steps, features].

        Args:
            x: samples of the model's own shape, or flattened, [samples, values]. If the model takes vectors, each row
                [values] of any array is a sample. An array of another shape is returned unchanged.
        """
        own = self.own
        if not own or not x.size:
            return x
        steps, features = (-1 if size is None else size for size in self.rows)
        if fits(x.shape, own):
            return x.reshape(steps, features)
        if fits(x.shape[1:], own):
            return x.reshape(len(x), steps, features)
        is_vectors = len(own) == 1 and x.shape[-1:] == own
        is_flat = x.shape[1:] == (steps * features,)
        return x.reshape(-1, steps, features) if is_vectors or is_flat else x

    def describe(self) -> str:
        """Describe the shapes of one sample and of many that `fold` and `Model.predict` take."""
        texts = []
        for sizes in (self.own, self.rows) if self.own else (self.rows,):
            text = ", ".join("any" if size is None or size < 0 else str(size) for size in sizes)
            texts.append(f"({text}{',' if len(sizes) == 1 else ''}) or (samples, {text})")
        return ", or ".join(texts)


def fits(shape: Sizes, expected: Sizes) -> bool:
    """Return True if a shape is the expected one; None or a backend's -1 in `expected` stands for any size."""
    return len(shape) == len(expected) and all(
        wanted in (size, None, -1) for size, wanted in zip(shape, expected, strict=True)
    )
