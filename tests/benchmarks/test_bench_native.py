from pathlib import Path

import numpy as np
import pytest

import edgernn
from bars.fidelity import count_differing
from common.checks import Check
from edgernn_export import cells
from native import native_limits as limits
from native.answer_bits import draw_samples
from native.native_limits import MAX_RATIOS, is_avx2_machine, ratio_limit, timing_check
from native.starts import time_first_answer
from overhead.cold_start import load_and_predict, measure_starts
from peers.contest import GRU, KINDS, LSTM


def test_every_kind_of_cell_is_measured() -> None:
    assert {name.lower() for name in cells.KINDS} == set(KINDS)
    assert set(MAX_RATIOS[limits.PREDICT]) == set(KINDS)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("sse4_1 avx avx2 fma", True),
        ("avx avx2 avx_vnni", False),
        ("avx avx2 avx512f avx512bw", False),
        ("avx sse4_1", False),
        ("neon asimd", False),
    ],
)
def test_the_limits_are_those_of_a_machine_with_avx2_alone(flags: str, expected: bool) -> None:
    assert is_avx2_machine(flags.split()) == expected


def test_elsewhere_no_ratio_may_exceed_1_and_the_name_has_the_usual_limit() -> None:
    assert ratio_limit(limits.BARE, GRU, avx2=True) == 0.28
    assert ratio_limit(limits.BARE, GRU, avx2=False) == 1
    assert ratio_limit(limits.FLOAT32, LSTM, avx2=False) is None
    slow = timing_check("group", "name", limits.BARE, GRU, 1.2, avx2=False)
    assert slow == Check("group", "name; AVX2: ≤ 0.28", "ratio", figure=1.2, limit=1.0)
    assert not slow.passed
    assert timing_check("group", "name", limits.FLOAT32, GRU, 1.2, avx2=True).passed


def test_samples_are_repeated_with_noise_inside_the_range() -> None:
    x = np.random.default_rng(1).random((30, 4, 3), np.float32)
    drawn = draw_samples(x, 100)
    assert (drawn.shape, drawn.dtype) == ((100, 4, 3), np.float32)
    np.testing.assert_array_equal(drawn[:30], x)
    assert count_differing(drawn[30:60].reshape(30, -1), x.reshape(30, -1)) == 30
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_the_backend_that_starts_is_the_one_asked_for() -> None:
    program = load_and_predict("litert") + 'assert "edgernn.backends.litert" in sys.modules\n'
    start = measure_starts({"litert": program}, edgernn.sample(), rounds=1)["litert"]
    assert 0 < start.numpy_seconds < start.seconds
    assert start.kib > 0


def test_a_stream_that_gives_no_answer_is_not_timed(tmp_path: Path) -> None:
    assert time_first_answer(edgernn.sample(), "native", b"0," * 27 + b"0\n") > 0
    with pytest.raises(edgernn.ArtifactError, match="gave no answer"):
        time_first_answer(tmp_path / "missing.tflite", "native", b"0\n")
