"""Names of the arrays in a file of samples: which of them are inputs and which are truths."""

from collections.abc import Iterable, Mapping

from edgernn.errors import DataError
from edgernn.records import record

# Names in lower or upper case; if there are several for one part, the first one is used.
_CALIBRATION, _TEST, _BOTH = ("x_calibration", "x_train"), ("x_test",), "x"
_INPUTS = (*_CALIBRATION, *_TEST, _BOTH)
_TRUTHS = ("y_calibration", "y_train", "y_test")
_KNOWN = (*_INPUTS, *_TRUTHS, "y", "labels")


@record(frozen=True)
class Part:
    """Names of an array of inputs and of the array with their truths; None if there are no truths."""

    x: str
    y: str | None


def find_parts(names: Iterable[str]) -> tuple[Part, Part]:
    """Find the arrays to calibrate and to test with; the same part twice if there is only one.

    Args:
        names: of all arrays in a file or a folder.

    Raises:
        DataError: there are no inputs, or truths without their inputs, or it is not clear which array is meant.
    """
    names = list(names)
    known = _known_names(names)
    calibration = next((known[name] for name in _CALIBRATION if name in known), None)
    test = next((known[name] for name in _TEST if name in known), None)
    both = known.get(_BOTH)
    if not (calibration or test or both):
        others = [name for name in names if name.lower() not in ("labels", "y")]
        both = others[0] if len(others) == 1 and others[0][:2].lower() != "y_" else None
    alone = [f"x{key[1:]}" for key in _TRUTHS if key in known and f"x{key[1:]}" not in known]
    if alone:
        raise DataError(f"contains {', '.join(names)}; {', '.join(alone)} missing; add it, or leave out its truths")
    first, second = calibration or both or test, test or both or calibration
    if first is None or second is None:
        raise DataError(
            f"contains {', '.join(names) or 'nothing'}; expected x, or x_train and x_test, or a single array; the "
            "right answers, y or y_train and y_test, may be missing"
        )
    return _with_truth(first, known), _with_truth(second, known)


def find_test_inputs(names: Iterable[str]) -> str:
    """Find the array to test with; see `find_parts`."""
    return find_parts(names)[1].x


def find_test_truths(names: Iterable[str]) -> str:
    """Find the array with the truths of the test samples, in a file that may contain the inputs, too.

    Raises:
        DataError: there are none, or as for `find_parts`.
    """
    names = list(names)
    if len(names) == 1:
        return names[0]
    known = _known_names(names)
    if any(name in known for name in _INPUTS):
        part = find_parts(names)[1]
        truths, missing = part.y, f"{truth_name(part.x)}, the right answers to {part.x}, missing"
    else:
        truths, missing = known.get("y_test") or known.get("y"), "expected y_test, or y, or a single array"
    if truths is None:
        raise DataError(f"contains {', '.join(names) or 'nothing'}; {missing}")
    return truths


def truth_name(x: str) -> str:
    """Name of the array with the truths of an array of inputs: y_train for x_train, y for any other name."""
    return f"y{x[1:]}" if x[:2].lower() in ("x", "x_") else "y"


def _with_truth(x: str, known: Mapping[str, str]) -> Part:
    return Part(x, known.get(truth_name(x).lower()))


def _known_names(names: list[str]) -> dict[str, str]:
    """Return the names that have a meaning here, by their lower case.

    Raises:
        DataError: two names differ only in case, or one is that of several inputs or outputs, such as x_test.speed.
    """
    known: dict[str, str] = {}
    for name in names:
        lower = name.lower()
        first, dot, _rest = lower.partition(".")
        if dot and first in _KNOWN and len(names) > 1:
            raise DataError(f"contains {name}; expected {first} alone: models have one input and one output")
        if lower in known:
            raise DataError(f"contains {known[lower]} and {name}, which differ only in case; remove one of them")
        if lower in _KNOWN:
            known[lower] = name
    return known
