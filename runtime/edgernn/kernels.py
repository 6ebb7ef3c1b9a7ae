"""Kernels: whether two backends compute with the same ones, told by the bits of their answers to a probe.

A version says little: a processor, a delegate that is off, or another number of threads choose other kernels. So each
card with a digest says what its exporter's kernels answered to a small file, which lies in this package.
`python -m edgernn_export.kernel_probes` makes the files.
"""

import hashlib
import platform
from pathlib import Path

from edgernn.backends import open_artifact
from edgernn.errors import ArtifactError
from edgernn.golden import golden_inputs

PROBED = ("int8", "dynamic")  # quantizations with a probe: those whose kernels round activations
PROBE_SHAPE = (6, 7)
PROBE_RANGE = (-2.0, 2.0)
_PROBE_SAMPLES = 8


def kernels_of(quantization: str, threads: int = 1, backend: str | None = None) -> str:
    """The backend and version that `open_artifact` chooses, and the digest of its answers to a quantization's probe.

    The machine's architecture is part of the digest: of int8 files that LiteRT ran on arm64, one in five had an answer
    with another last bit than on x86-64, although the probe had the same ones.

    Returns:
        For instance "litert 2.3.0 0f3a8d51"; empty where there is no probe, or the backend cannot run it.
    """
    if quantization not in PROBED:
        return ""
    path = Path(__file__).parent / "probes" / f"{quantization}.tflite"
    try:
        opened = open_artifact(path, path.read_bytes(), threads, backend)
        answers = opened.run(golden_inputs(range(_PROBE_SAMPLES), PROBE_SHAPE, *PROBE_RANGE))
    except ArtifactError:
        return ""
    content = platform.machine().encode() + answers.astype("<f4").tobytes()
    return f"{opened.name} {hashlib.sha256(content).hexdigest()[:8]}"
