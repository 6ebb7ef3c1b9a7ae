"""Damaged weights: find the constants of a .tflite file, and make files in which some of them are changed.

The digest of each file is renewed, so only golden samples can detect the change. A random edit chooses one tensor and
replaces 1 to 100 % of its values. Classes are the rows of the last product's weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.arrays import AnyArray
from edgernn.card import seal

Edit = Callable[[AnyArray], AnyArray]

_TYPES = {
    schema.TensorType.FLOAT32: "<f4",
    schema.TensorType.FLOAT16: "<f2",
    schema.TensorType.INT8: "<i1",
    schema.TensorType.INT16: "<i2",
    schema.TensorType.INT32: "<i4",
    schema.TensorType.INT64: "<i8",
}
_FLOATS = ("<f4", "<f2")
_BIAS = 2  # index of the bias among a product's inputs; other integer inputs are shapes and indices
_PRODUCT = schema.BuiltinOperator.FULLY_CONNECTED


@dataclass(frozen=True)
class Weights:
    """A constant of a file.

    Attributes:
        name: its number and shape, as text.
        start: start of its values in the file, in bytes.
        dtype: NumPy's type.
        shape: shape of the tensor.
    """

    name: str
    start: int
    dtype: str
    shape: tuple[int, ...]

    def read(self, data: bytes) -> AnyArray:
        """Copy its values from a file."""
        count = int(np.prod(self.shape))
        return np.frombuffer(data, self.dtype, count, self.start).reshape(self.shape).copy()

    def write(self, data: bytes, values: AnyArray) -> bytes:
        """Return the file with other values."""
        content = values.astype(self.dtype).tobytes()
        return data[: self.start] + content + data[self.start + len(content) :]


def weights_of(data: bytes) -> tuple[list[Weights], list[Weights]]:
    """Find the weights and biases of a file, each buffer once, and those of the last product in its first graph."""
    model = schema.Model.GetRootAs(data, 0)
    found: dict[int, Weights] = {}
    last: list[Weights] = []
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for place in range(graph.OperatorsLength()):
            operator = graph.Operators(place)
            parts = list(_constants(model, graph, operator, found))
            code = model.OperatorCodes(operator.OpcodeIndex())
            if not number and max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == _PRODUCT and parts:
                last = parts
    return list(found.values()), last


def _constants(model: Any, graph: Any, operator: Any, found: dict[int, Weights]) -> Iterator[Weights]:
    base = np.frombuffer(model._tab.Bytes, np.uint8).ctypes.data
    for position in range(operator.InputsLength()):
        index = operator.Inputs(position)
        if index < 0:
            continue
        tensor = graph.Tensors(index)
        content = model.Buffers(tensor.Buffer()).DataAsNumpy()
        dtype = _TYPES.get(tensor.Type(), "")
        whole = dtype in ("<i4", "<i8") and position != _BIAS
        if not dtype or whole or isinstance(content, int) or content.size < 2:
            continue
        shape = tuple(int(size) for size in tensor.ShapeAsNumpy())
        name = f"{tensor.Buffer()}: {np.dtype(dtype)} {list(shape)}"
        yield found.setdefault(
            tensor.Buffer(), Weights(name=name, start=content.ctypes.data - base, dtype=dtype, shape=shape)
        )


def zeroed_classes(data: bytes, last: list[Weights]) -> Iterator[tuple[str, bytes]]:
    """Zero the weights of each class, without and with its bias."""
    for number in range(last[0].shape[0]):
        for parts, name in ((last[:1], "weights"), (last, "weights and bias")):
            yield f"class {number}: {name} zeroed", _changed(data, parts, partial(_zeroed, number=number))


def exchanged_classes(data: bytes, last: list[Weights]) -> Iterator[tuple[str, bytes]]:
    """Exchange each pair of classes."""
    classes = last[0].shape[0]
    for pair in combinations(range(classes), 2):
        order = np.arange(classes)
        order[list(pair)] = pair[::-1]
        yield (
            f"classes {pair[0]} and {pair[1]} exchanged",
            _changed(data, last, partial(np.take, indices=order, axis=0)),
        )


def tensor_damages(data: bytes, weights: list[Weights]) -> Iterator[tuple[str, bytes]]:
    """Zero each tensor, negate it, reverse it, and replace a tenth of its values by random ones."""
    rng = np.random.default_rng(0)
    for each in weights:
        edits: dict[str, Edit] = {
            "zeroed": np.zeros_like,
            "negated": np.negative,
            "backwards": lambda values: values.ravel()[::-1].reshape(values.shape),
            "a tenth drawn": lambda values: redrawn(values, 0.1, rng),
        }
        for name, edit in edits.items():
            yield f"{each.name} {name}", _changed(data, [each], edit)


def random_edit(data: bytes, weights: list[Weights], number: int) -> tuple[str, bytes]:
    """Replace 1 to 100 % of the values of one random tensor; the edit depends only on `number`."""
    rng = np.random.default_rng([number, 22])
    each = weights[int(rng.integers(len(weights)))]
    share = float(rng.uniform(0.01, 1))
    return f"{each.name} {share:.0%} drawn", _changed(data, [each], lambda values: redrawn(values, share, rng))


def redrawn(values: AnyArray, share: float, rng: np.random.Generator) -> AnyArray:
    """Replace this share of values, at least one, by random numbers between their lowest and highest."""
    flat = values.ravel().copy()
    places = rng.choice(flat.size, max(1, round(share * flat.size)), replace=False)
    drawn = rng.uniform(float(flat.min()), float(flat.max()), len(places))
    flat[places] = drawn if values.dtype.str in _FLOATS else np.round(drawn)
    return flat.reshape(values.shape)


def _zeroed(values: AnyArray, number: int) -> AnyArray:
    values[number] = 0
    return values


def _changed(data: bytes, weights: list[Weights], edit: Edit) -> bytes:
    for each in weights:
        data = each.write(data, edit(each.read(data)))
    return seal(data)
