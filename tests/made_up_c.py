"""C source of small models, for tests: exported cells with gates, and the digits of the package."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import edgernn
from edgernn.card import read_card, seal
from edgernn.program.reader import read_program
from edgernn_export import Settings, Target, TargetResult, export, select_targets
from edgernn_export.formats.c import cortex_m
from edgernn_export.formats.c.c_files import CFiles


def export_cells(folder: Path) -> Sequence[TargetResult]:
    """Export a GRU, a LayerNormalization and an LSTM in one model as C, and the .tflite files of the same programs."""
    from in_process import InProcess
    from keras import Input, Sequential, layers, utils

    utils.set_random_seed(3)
    cells = (layers.GRU(7, return_sequences=True), layers.LayerNormalization(), layers.LSTM(6))
    Sequential([Input((6, 3)), *cells, layers.Dense(5, "relu"), layers.Dense(2)]).save(folder / "cells.keras")
    np.savez(folder / "samples.npz", x=np.random.default_rng(0).normal(size=(40, 6, 3)).astype(np.float32))
    targets = [*select_targets(["c"]), *(Target("tflite", kind, "loop") for kind in ("int8", "float32"))]
    settings = Settings(keep_failed=True, refine=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgernn_export.pipeline.Worker", InProcess)
        patch.setattr(cortex_m, "measure_sizes", lambda *_: [])
        patch.setattr(cortex_m, "count_instructions", lambda *_: None)
        patch.setattr("edgernn_export.source.why_no_stream", lambda *_: "")  # tested elsewhere, and slow
        return export(folder / "cells.keras", targets=targets, samples=folder / "samples.npz", settings=settings)


def digits_files(stem: str = "digits") -> dict[str, str]:
    """Return source, header and test of the package's digits, by name."""
    data = edgernn.sample().read_bytes()
    files = CFiles(read_program(data), data, stem)
    source = seal(files.embed_card(read_card(data).encode()))
    return {f"{stem}.c": source.decode()} | {name: text.decode() for name, text in files.companions(source).items()}
