"""Array types for annotations; shapes stand in docstrings.

`numpy.typing` has the same types, but takes half a millisecond of every start on a device.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
else:
    ArrayLike = Any

__all__ = [
    "AnyArray",
    "Array",
    "ArrayLike",
    "Arrays",
    "Bools",
    "Float32",
    "Float64",
    "Floats",
    "Int8",
    "Int32",
    "Int64",
    "Uint8",
    "Uint32",
]

AnyArray: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[Any]]  # an operand of any arithmetic
Array: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.generic]]  # checked before it is computed with
Bools: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.bool_]]
Float32: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
Float64: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]
Floats: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.floating[Any]]]
Int8: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.int8]]
Int32: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.int32]]
Int64: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]
Uint8: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]
Uint32: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.uint32]]
# One array for each input of a model, or for each output.
Arrays: TypeAlias = tuple[Float32, ...]
