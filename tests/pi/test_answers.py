"""Every artifact answers as on the host, on every system, board and backend, and streams as it predicts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgernn_export.formats.tflite.format import TfliteFormat
from raspberry_pi.device_answers import COUNT, Case, DeviceAnswers, cases
from raspberry_pi.roots import Device

CASES = [pytest.param(case, id=", ".join(case.place)) for case in cases()]


@dataclass(frozen=True)
class Expected:
    """Limits of the answers.

    Attributes:
        difference: maximum difference from the host's answers, in any probability; 0: the same bits.
        agreement: minimum number of samples with the host's class.
        stream: maximum difference between a stream's last answer and `predict`; 0: the same bits.
    """

    difference: float
    agreement: int
    stream: float


# float32 is added up in another order. TFLite's softmax of int8 rounds differently on 64-bit Arm, so that a probability
# may differ by one step, 1/256. Dynamic and int16x8 files round on the way, too: other kernels may differ as much as
# the golden samples of the export allow, also in a stream, and an almost equal second class may become the first.
_STEP = 1 / 256
_DYNAMIC, _INT16X8 = (TfliteFormat.tolerances[each] for each in ("dynamic", "int16x8"))
_ALMOST_ALL = math.ceil(_DYNAMIC.agreement * COUNT)
_LITERT = {
    "float32 unrolled": Expected(1e-5, COUNT, 1e-5),
    "float16 unrolled": Expected(1e-5, COUNT, 1e-5),
    "dynamic unrolled": Expected(_DYNAMIC.golden, _ALMOST_ALL, 0),
    "int8 unrolled": Expected(_STEP, COUNT, 0),
    "int16x8 unrolled": Expected(_INT16X8.golden, COUNT, _INT16X8.golden),
    "int8 loop": Expected(_STEP, COUNT, 0),
    "dynamic fused": Expected(_DYNAMIC.golden, _ALMOST_ALL, 0),
}
# Its kernels round differently from LiteRT's, and on Arm the kernel for a single row differently from that for many.
# None: it misreads them, so edgernn refuses them there.
_TFLITE_RUNTIME = {
    "float32 unrolled": Expected(1e-5, COUNT, 1e-5),
    "float16 unrolled": Expected(1e-5, COUNT, 1e-5),
    "dynamic unrolled": None,
    "int8 unrolled": Expected(0.2, _ALMOST_ALL, 0.1),
    "int16x8 unrolled": Expected(_INT16X8.golden, COUNT, _INT16X8.golden),
    "int8 loop": Expected(0.2, _ALMOST_ALL, 0.1),
    "dynamic fused": None,
}
# On 32-bit Arm float32 has no XNNPACK, and its kernels approximate quotients.
_ON_32_BIT = dict.fromkeys(("float32 unrolled", "float16 unrolled"), Expected(1e-4, COUNT, 1e-5))
_NATIVE = {
    "float32 unrolled": Expected(1e-5, COUNT, 1e-5),
    "int8 unrolled": Expected(0, COUNT, 0),
    "int8 loop": Expected(0, COUNT, 0),
}
_ONNXRUNTIME = {"float32 operator": Expected(1e-5, COUNT, 1e-5), "int8 operator": Expected(1e-5, COUNT, 1e-5)}
_BY_BACKEND: dict[str, dict[str, Expected | None]] = {
    "native": _NATIVE,
    "litert": _LITERT,
    "onnxruntime": _ONNXRUNTIME,
    "tflite-runtime": _TFLITE_RUNTIME,
}


def expected(case: Case) -> Expected | None:
    is_approximate = case.backend == "tflite-runtime" and case.root.architecture == "armhf"
    table = _BY_BACKEND[case.backend] | (_ON_32_BIT if is_approximate else {})
    return table[f"{case.target.quantization} {case.target.layout}"]


@pytest.mark.parametrize("case", CASES)
def test_an_artifact_answers_as_on_the_host_and_streams_as_it_predicts(
    all_devices: dict[tuple[str, str], Device],
    on_device: Callable[[Device, str], dict[str, DeviceAnswers]],
    on_host: Callable[[str], DeviceAnswers],
    results: dict[str, Any],
    case: Case,
) -> None:
    found = on_device(all_devices[case.root.name, case.board.name], case.backend)[case.artifact]
    here, limits = on_host(case.artifact), expected(case)
    names = dict(zip(("root", "board", "backend", "artifact"), case.place, strict=True))
    row: dict[str, Any] = {**names, "refused": found.refused}
    results["answers"].append(row)
    if limits is None:
        assert f"misreads this {case.target.quantization} artifact" in found.refused
        return
    assert found.refused == ""
    assert found.whole.shape == found.streamed.shape == (COUNT, 10)
    agreement = int((found.whole.argmax(axis=1) == here.whole.argmax(axis=1)).sum())
    difference = float(np.abs(found.whole - here.whole).max())
    stream = float(np.abs(found.streamed - found.whole).max())
    row |= {"agreement": agreement / COUNT, "difference": difference, "stream": stream}
    assert agreement >= limits.agreement
    assert difference <= limits.difference
    assert stream <= limits.stream
