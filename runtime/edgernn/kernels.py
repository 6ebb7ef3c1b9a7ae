"""Kernel fingerprints: two backends compute with the same kernels if they answer a small file with the same bits.

A version number is not enough: the processor, a disabled delegate and the number of threads also select kernels. So a
card with golden digests contains the fingerprint of its exporter's kernels. The small files, `kernels-int8.tflite` and
`kernels-dynamic.tflite`, are in `edgernn.samples`; `make sample` creates them.
"""

import platform
from pathlib import Path

from edgernn.backends import open_artifact
from edgernn.digests import sha256
from edgernn.errors import ArtifactError
from edgernn.golden import golden_inputs
from edgernn.samples import sample

PROBED = ("int8", "dynamic")  # quantizations with a probe; their kernels round activations
PROBE_SHAPE = (6, 7)
PROBE_RANGE = (-2.0, 2.0)
_PROBE_SAMPLES = 8


def probe_path(quantization: str) -> Path:
    """Return the path of a quantization's probe: a small .tflite file without a card."""
    return sample().with_name(f"kernels-{quantization}.tflite")


def has_kernels(expected: str, opened: str, quantization: str, threads: int) -> bool:
    """Return True if a backend computes with the kernels that a card names.

    Args:
        expected: from `kernels_of`, at the export.
        opened: the backend's name and version.
        quantization: of the artifact.
        threads: that the backend may use.
    """
    backend = opened.partition(" ")[0]
    if backend == "native":
        # The native kernels have the bits of LiteRT on x86-64, on every machine.
        return expected.rpartition(" ")[2] == _digest_of("x86_64", quantization, threads, backend)[1]
    # Library and version are compared first: a probe takes some milliseconds.
    return expected.rpartition(" ")[0] == opened and expected == kernels_of(quantization, backend, threads)


def kernels_of(quantization: str, backend: str, threads: int = 1) -> str:
    """Return the name and version of a backend, and the digest of its answers to the probe.

    The machine's architecture is part of the digest. For one int8 file in five, the last bit of LiteRT's answers
    differed between arm64 and x86-64, although the probe's answers were the same.

    Returns:
        For instance "litert 2.3.0 0f3a8d51"; empty if there is no probe, or the backend cannot run it.
    """
    return " ".join(_digest_of(platform.machine(), quantization, threads, backend)).strip()


def _digest_of(machine: str, quantization: str, threads: int, backend: str) -> tuple[str, str]:
    """Return the name and version of a backend, and the digest of a machine's name and the probe's answers."""
    if quantization not in PROBED:
        return "", ""
    path = probe_path(quantization)
    try:
        opened = open_artifact(path, path.read_bytes(), threads, backend)
        (answers,) = opened.run((golden_inputs(range(_PROBE_SAMPLES), PROBE_SHAPE, *PROBE_RANGE),))
    except ArtifactError:
        return "", ""
    return opened.name, sha256(machine.encode() + answers.astype("<f4").tobytes()).hexdigest()[:8]
