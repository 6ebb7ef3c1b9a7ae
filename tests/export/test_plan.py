"""The choice among the default targets, and the export of a plan."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgernn.errors import ExportError
from edgernn.tasks import Task
from edgernn_export.artifact import ExportResult
from edgernn_export.formats import plan_for
from edgernn_export.formats.base import Plan, Target
from edgernn_export.pipeline import FAILED, LEFT_OUT, NOT_EXPORTED, PASSED, _export_all
from edgernn_export.proof import Proof
from edgernn_export.targets import DEFAULT_TARGETS, TARGETS

INT8, FLOAT16, FLOAT32 = (Target("tflite", name, "unrolled") for name in ("int8", "float16", "float32"))
PROOF = Proof(Task("classification"), 10, {}, {}, 1.0, 0.0)


def plan_of(steps: int, operators: int) -> Plan:
    source: Any = SimpleNamespace(input_shape=(steps, 3), cell_operators=operators, is_recurrent=True)
    return plan_for(source)


def test_every_default_target_is_made_kept_in_reserve_or_left_out_with_a_reason() -> None:
    for steps, operators in ((28, 3), (28, 11), (128, 11), (1024, 3)):
        plan = plan_of(steps, operators)
        named = [*plan.targets, *plan.reserves, *plan.left_out]
        assert len(set(named)) == len(named)
        assert set(DEFAULT_TARGETS) <= set(named) <= set(TARGETS)
        assert all(plan.left_out.values())


def test_short_sequences_have_both_layouts_and_long_ones_only_the_loop() -> None:
    layouts = {target.layout for target in plan_of(28, 3).targets if target.format == "tflite"}
    assert layouts == {"unrolled", "loop", "fused"}
    plan = plan_of(1024, 3)
    assert {target.layout for target in plan.targets if target.format == "tflite"} == {"loop", "fused"}
    assert plan.left_out[INT8] == "1024 steps one after the other are larger than a loop, and not faster"


class MadeUpWorker:
    """A worker whose artifacts fail the proof, or cannot be exported, by quantization."""

    def __init__(self, failing: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.failing, self.broken = failing, broken

    def make(self, target: Target) -> ExportResult:
        if target.quantization in self.broken:
            raise ExportError("broken")
        return ExportResult(b"data", PROOF, "too wrong" if target.quantization in self.failing else "")


@pytest.mark.parametrize(
    ("worker", "int8", "float16"),
    [
        (MadeUpWorker(), PASSED, LEFT_OUT),
        (MadeUpWorker(failing=["int8"]), FAILED, PASSED),
        (MadeUpWorker(broken=["int8"]), NOT_EXPORTED, PASSED),
    ],
)
def test_reserves_are_made_only_if_no_file_with_int8_weights_passes(
    tmp_path: Path, worker: Any, int8: str, float16: str
) -> None:
    plan = Plan((FLOAT32, INT8), (FLOAT16,))
    rows = _export_all(worker, plan, tmp_path / "small", keep_failed=False, progress=lambda _step: None)
    status = {row.target: row.status for row in rows}
    assert status == {FLOAT32: PASSED, INT8: int8, FLOAT16: float16}
    assert {path.name for path in tmp_path.iterdir()} == {row.path.name for row in rows if row.passed}
    assert all(row.reason for row in rows if row.status != PASSED)
