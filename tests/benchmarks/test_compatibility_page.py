"""The page docs/compatibility.md, from made-up results."""

import numpy as np

from common.versions import versions
from compatibility.compatibility_page import Host, describe, faults
from compatibility.environments import RUNTIMES, RuntimeResult

ANSWERS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
HOST = Host(np.array([0, 1, 2, 1]), 0.75, ANSWERS, ANSWERS[:2])
LITERT, *OTHERS = (runtime for runtime in RUNTIMES if runtime.suffix == ".tflite")


def test_the_page_names_same_bits_misreadings_and_refusals() -> None:
    found = {
        LITERT: {"small-int8.tflite": RuntimeResult("2.4.0", answers=ANSWERS, streams=ANSWERS[:2], edgernn_refuses="")},
        OTHERS[0]: {
            "small-int8.tflite": RuntimeResult(
                "2.4.0", answers=1 - ANSWERS, streams=ANSWERS[:2], edgernn_refuses="golden samples"
            )
        },
        OTHERS[1]: {"small-int8.tflite": RuntimeResult("2.4.0", refuses="no such operator")},
    }
    hosts = {"small-int8.tflite": HOST}
    page = describe(hosts, found, versions())
    assert "4 test samples" in page
    assert "classifies 75.00 % of them correctly" in page
    (row,) = (line for line in page.splitlines() if line.startswith("| `small-int8.tflite`") and "refuses (1)" in line)
    assert row.index("same bits") < row.index("misreads") < row.index("refuses (1)")
    assert faults(hosts, found) == []


def test_an_unnoticed_misreading_is_a_fault() -> None:
    found = {LITERT: {"small-int8.tflite": RuntimeResult("2.4.0", answers=1 - ANSWERS, edgernn_refuses="")}}
    (problem,) = faults({"small-int8.tflite": HOST}, found)
    assert "does not notice" in problem
