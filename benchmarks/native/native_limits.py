"""Limits of backend native: its times as multiples of those of LiteRT and of other tools."""

from collections.abc import Iterable, Mapping

from common.checks import Check
from peers.contest import GRU, KINDS, LSTM, SIMPLE_RNN

# Maximum ratios on an x86-64 processor with AVX2 but without AVX-512 and VNNI, by measurement and kind of layer.
PREDICT, BARE, PUSH, FLOAT32 = "Model.predict", "bare call", "Stream.push", "bare call, float32"
EMX_HOT, EMX_COLD, DYNAMIC = "emx-onnx-cgen, hot", "emx-onnx-cgen, cold", "ONNX Runtime dynamic"
BATCH, STEPS, UNITS = "batch", "512 steps", "512 units"
MAX_RATIOS: Mapping[str, Mapping[str, float]] = {
    PREDICT: {SIMPLE_RNN: 0.33, GRU: 0.30, LSTM: 0.33},
    BARE: {SIMPLE_RNN: 0.28, GRU: 0.28, LSTM: 0.32},
    PUSH: {SIMPLE_RNN: 0.15, GRU: 0.18, LSTM: 0.15},
    FLOAT32: {SIMPLE_RNN: 0.45},
    EMX_HOT: dict.fromkeys(KINDS, 0.33),
    EMX_COLD: dict.fromkeys(KINDS, 0.5),
    DYNAMIC: {LSTM: 0.40},
    BATCH: dict.fromkeys(KINDS, 0.40),
    STEPS: dict.fromkeys(KINDS, 0.5),
    UNITS: dict.fromkeys(KINDS, 0.5),
}
# On other machines, where the kernels of LiteRT and other tools use VNNI, AVX-512 or another processor's instructions.
MAX_RATIO_ELSEWHERE = 1.0
# On every machine.
MAX_DIFFERING = 0
MAX_START_RATIO, MAX_START_RATIO_WITHOUT_NUMPY = 0.85, 0.3
MAX_COMPRESSED_BYTES = 60_000


def is_avx2_machine(flags: Iterable[str]) -> bool:
    """Return True if a processor's flags, as /proc/cpuinfo names them, are those of the machine of `MAX_RATIOS`."""
    names = set(flags)
    return "avx2" in names and not any(name == "avx_vnni" or name.startswith("avx512") for name in names)


def ratio_limit(measurement: str, kind: str, *, avx2: bool) -> float | None:
    """Return the maximum ratio of a measurement; None if the ratio is only reported."""
    limit = MAX_RATIOS[measurement].get(kind)
    return limit if avx2 or limit is None else MAX_RATIO_ELSEWHERE


def timing_check(group: str, name: str, measurement: str, kind: str, figure: float | None, *, avx2: bool) -> Check:
    """Return the check of a ratio; on other machines than that of `MAX_RATIOS`, its name includes the limit there."""
    usual, limit = MAX_RATIOS[measurement].get(kind), ratio_limit(measurement, kind, avx2=avx2)
    there = "" if avx2 or usual is None else f"; AVX2: ≤ {usual:.2f}"
    return Check(group, name + there, "ratio", figure=figure, limit=limit)
