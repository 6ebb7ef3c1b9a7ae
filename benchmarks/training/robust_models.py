"""Models of recipe `robust`: their accuracy under corruptions, and the agreement of their int8 files with Keras."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from scipy.stats import binomtest  # type: ignore[import-untyped]

import edgernn
from common import exports
from common.bench_frame import Progress
from common.checks import Check
from common.markdown import table
from common.pages import fill_in
from common.programs import run_program
from edgernn.arrays import Float32, Int64
from edgernn.data.corruptions import CLEAN, CORRUPTIONS, corrupted_copies
from edgernn.data.noise import add_noise
from edgernn.errors import DataError
from edgernn.inputs import scale_pixels
from edgernn_train import load_dataset

PAGE, PART = Path(__file__).parents[2] / "docs" / "training.md", "results"
# Each kind of `edgernn train --cell`, with its name in the tables and the minimum agreement of its int8 file.
CELLS = {"simple_rnn": ("SimpleRNN(64)", 0.993), "gru": ("GRU(64)", 0.994), "lstm": ("LSTM(64)", 0.994)}
# Minimum accuracy of the SimpleRNN, mean over the seeds.
MIN_ACCURACY = {"noisy": 0.965, "clean": 0.972, "mean": 0.950, "worst": 0.900}
MAX_DROP = 0.3  # points of accuracy that the SimpleRNN's int8 file may lose
_CONFIDENCE = 0.95
_NOISE_SEED = 7


@dataclass(frozen=True)
class RobustModel:
    """One training by recipe `robust`, and its int8 file.

    Attributes:
        cell: its kind, as `edgernn train --cell` names it.
        seed: of the training.
        accuracies: of the Keras model on the test images, clean, noisy and under each corruption.
        agreeing: number of unseen inputs for which the int8 file and Keras name the same class.
        inputs: number of unseen inputs.
        drop: accuracy that the int8 file loses on them, in points.
    """

    cell: str
    seed: int
    accuracies: Mapping[str, float]
    agreeing: int
    inputs: int
    drop: float

    @property
    def corrupted(self) -> dict[str, float]:
        """Accuracy under each corruption."""
        return {name: self.accuracies[name] for name in CORRUPTIONS}

    @property
    def worst(self) -> str:
        """Name of the corruption with the lowest accuracy."""
        return min(CORRUPTIONS, key=lambda name: self.accuracies[name])


def robust_checks(
    data: str, seeds: Sequence[int], folder: Path, page: bool, say: Progress
) -> tuple[list[Check], list[dict[str, Any]]]:
    """Train each kind of cell with each seed by `edgernn train`, export int8, and compare it with Keras.

    The files are compared on inputs that neither training nor calibration had: the test images of `data`, and the
    images that edgernn includes if the training had others, all of them clean and noisy.

    Args:
        data: as `edgernn train --data` takes it; pictures.
        seeds: of the trainings.
        folder: for the runs.
        page: True to write the table of docs/training.md.
        say: called with the next step.

    Raises:
        DataError: the data are no pictures.
    """
    dataset = load_dataset(data)
    if dataset.x_test.dtype != np.uint8:
        raise DataError(f"{data}: no pictures; part robust measures corruptions of uint8 pictures")
    unseen = [(dataset.x_test, dataset.y_test)]
    if data != "sample":
        included = load_dataset("sample")
        unseen += [(included.x_train, included.y_train), (included.x_test, included.y_test)]
    x, y = (np.concatenate(part) for part in zip(*unseen, strict=True))
    x, y = _with_noisy(scale_pixels(x)), np.concatenate([y, y])
    tests = corrupted_copies(scale_pixels(dataset.x_test))
    tests["noisy"] = _noisy(tests[CLEAN])
    models = []
    for cell in CELLS:
        for seed in seeds:
            say(f"{cell}, seed {seed}: training and exporting")
            run = folder / f"{cell}-{seed}"
            words = ["train", "--data", data, "--cell", cell, "--seed", str(seed), "--name", "digits", "--quiet"]
            run_program([sys.executable, "-m", "edgernn", *words, "--out", str(run)])
            exported = exports.export_run(run, run, [exports.INT8], say, cost=False, unrefined=False)
            models.append(_measure(exported, cell, seed, tests=tests, truths=dataset.y_test, x=x, y=y))
    if page:
        fill_in(PAGE, PART, results_table(models))
    return _limits(models), [asdict(model) for model in models]


def _measure(
    exported: exports.Exported,
    cell: str,
    seed: int,
    *,
    tests: Mapping[str, Float32],
    truths: Int64,
    x: Float32,
    y: Int64,
) -> RobustModel:
    if exported.reasons:
        raise DataError("; ".join(exported.reasons))
    names = list(tests)
    answers = exports.predict_isolated(exported.run / "model.keras", np.concatenate([*tests.values(), x]))
    classes = answers.argmax(axis=-1)
    *tested, ours = np.split(classes, np.cumsum([len(tests[name]) for name in names]))
    int8 = edgernn.load(exported.path(exports.INT8)).predict(x).argmax(axis=-1)
    return RobustModel(
        cell=cell,
        seed=seed,
        accuracies={name: float((found == truths).mean()) for name, found in zip(names, tested, strict=True)},
        agreeing=int((int8 == ours).sum()),
        inputs=len(x),
        drop=100 * float((ours == y).mean() - (int8 == y).mean()),
    )


def results_table(models: Sequence[RobustModel]) -> str:
    """Return the table of docs/training.md, a row for each training."""
    rows = []
    for model in models:
        low, high = binomtest(model.agreeing, model.inputs).proportion_ci(_CONFIDENCE, method="wilson")
        corrupted = model.corrupted
        rows.append(
            [
                CELLS[model.cell][0],
                str(model.seed),
                *(_short(model.accuracies[name]) for name in (CLEAN, "noisy")),
                _short(mean(corrupted.values())),
                f"{_short(corrupted[model.worst])} {model.worst}",
                f"{_short(model.agreeing / model.inputs, 4)} ({_short(low, 4)} to {_short(high, 4)})",
                f"{model.drop:.2f} points".replace("-", "\N{MINUS SIGN}"),
            ]
        )
    interval = f"int8 agreement ({_CONFIDENCE:.0%} interval)"
    return table(["layer", "seed", CLEAN, "noisy", "mean of 7", "worst of 7", interval, "int8 loses"], rows)


def _limits(models: Sequence[RobustModel]) -> list[Check]:
    checks = []
    for cell, (title, min_agreement) in CELLS.items():
        found = [model for model in models if model.cell == cell]
        group = f"recipe robust, {title}, mean of {len(found)} seeds"
        figures = {
            "noisy": mean(model.accuracies["noisy"] for model in found),
            "clean": mean(model.accuracies[CLEAN] for model in found),
            "mean": mean(mean(model.corrupted.values()) for model in found),
            "worst": mean(min(model.corrupted.values()) for model in found),
        }
        words = {"mean": "mean of 7 corruptions", "worst": "worst of 7 corruptions"}
        limits = MIN_ACCURACY if cell == "simple_rnn" else {}
        checks += [
            Check(group, f"accuracy, {words.get(name, name)}", "share", figure, limits.get(name), at_least=True)
            for name, figure in figures.items()
        ]
        agreement = sum(model.agreeing for model in found) / sum(model.inputs for model in found)
        name = f"int8 agreement on {found[0].inputs:,} unseen inputs"
        checks.append(Check(group, name, "share", agreement, min_agreement, at_least=True))
        limit = MAX_DROP if cell == "simple_rnn" else None
        checks.append(Check(group, "int8: accuracy lost", "points", mean(model.drop for model in found), limit))
    return checks


def _noisy(x: Float32) -> Float32:
    return add_noise(x, np.random.default_rng(_NOISE_SEED))


def _with_noisy(x: Float32) -> Float32:
    return np.concatenate([x, _noisy(x)])


def _short(share: float, digits: int = 3) -> str:
    """Write a share without its leading zero."""
    return f"{share:.{digits}f}".removeprefix("0")
