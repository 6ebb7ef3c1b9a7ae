"""A new process: import, load, the check of golden samples, and the first answer; and the size of the extension."""

import zlib
from pathlib import Path

from common.checks import Check, ratio_check
from native.call_times import LITERT, NATIVE
from native.native_limits import MAX_COMPRESSED_BYTES, MAX_START_RATIO, MAX_START_RATIO_WITHOUT_NUMPY
from overhead.cold_start import load_and_predict, measure_starts


def start_checks(title: str, path: Path) -> list[Check]:
    """Compare new processes that answer by native and by LiteRT, with and without the time of NumPy's import."""
    backends = (NATIVE, LITERT)
    native, litert = measure_starts({backend: load_and_predict(backend) for backend in backends}, path).values()
    group = f"{title}: a new process, native / LiteRT"
    ours, other = (start.seconds - start.numpy_seconds for start in (native, litert))
    return [
        ratio_check(
            group,
            f"import, load, check, answer ({1000 * native.seconds:.0f} / {1000 * litert.seconds:.0f} ms)",
            native.seconds / litert.seconds,
            MAX_START_RATIO,
        ),
        ratio_check(
            group,
            f"the same without `import numpy` ({1000 * ours:.0f} / {1000 * other:.0f} ms)",
            ours / other,
            MAX_START_RATIO_WITHOUT_NUMPY,
        ),
    ]


def extension_check() -> Check:
    """Compress the extension of this machine, as a wheel does."""
    from edgernn import _native

    # hatchling writes a wheel with zipfile's default level.
    size = len(zlib.compress(Path(_native.__file__).read_bytes()))
    return Check("Extension", "compressed, in a wheel", "bytes", figure=size, limit=MAX_COMPRESSED_BYTES)
