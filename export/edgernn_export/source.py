"""The source of an export: the Keras model, its answers, and intermediate results that several targets share."""

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np

from edgernn import __version__
from edgernn.arrays import Float32
from edgernn.card import Card
from edgernn.data.model_digest import model_digest
from edgernn.data.run_folder import Original
from edgernn.inputs import PIXELS
from edgernn.specs import INPUT, MAX_DESCRIBED_FEATURES, OUTPUT, InputSpec, OutputSpec, Range
from edgernn.system.files import sha256_of
from edgernn_export import keras_model, masking, rebuilding, rules
from edgernn_export.formats.base import Finished, Target
from edgernn_export.golden_samples import rounded_out
from edgernn_export.proof import PrecisionGap, precision_gap
from edgernn_export.refine import estimate_seconds, loss_of, refine
from edgernn_export.sensitivity import rounding_error_of
from edgernn_export.settings import Settings
from edgernn_export.streaming import why_no_stream
from edgernn_export.task_inference import infer_task

T = TypeVar("T")

# Width of a picture's border on every side, as a share of its height and width.
_BORDER = 0.1

# Without an explicit choice, refinement is skipped if it would take longer.
MAX_REFINE_SECONDS = 30.0


class Source:
    """A Keras model under export.

    Args:
        original: from `read_original`, with samples.
        settings: the user's.

    Raises:
        ModelError: the model cannot be read or is not supported.
        DataError: the samples do not fit it, or all their values are equal.
    """

    def __init__(self, original: Original, settings: Settings) -> None:
        self.original = original
        self.samples = original.require_samples()
        self.settings = settings
        loaded = keras_model.load_both(original.model, settings.steps, x=self.samples.x_test)
        model = loaded.model
        rules.check_sample_shapes(self.samples, tuple(model.inputs[0].shape[1:]), loaded.own_shape)
        rules.check_calibration(self.samples, settings.refine)
        self._digest = model_digest(original.model)
        original.check_unchanged(sha256_of(original.model))
        self.input_shape = tuple(model.inputs[0].shape[1:])
        self.own_shape = loaded.own_shape
        self.parameters = model.count_params()
        self._scaling_layers = keras_model.scaling_layers(model)
        self._mask_value = masking.mask_value_of(model)
        self.calibration_answers = loaded.answer(self.samples.x_calibration)
        self.test_answers = loaded.answer(self.samples.x_test)
        calibration = loaded.exact_answers(self.samples.x_calibration, self.calibration_answers)
        test = loaded.exact_answers(self.samples.x_test, self.test_answers)
        self.rounding_error = rounding_error_of(model, self.samples.x_test, test)
        self.task = infer_task(np.concatenate([calibration, test]), self.samples, original.labels)
        self._changes = loaded.changes
        self.precision_gap = PrecisionGap()
        if loaded.precision:
            self.precision_gap = precision_gap(
                self.task, loaded.precision, self.test_answers, test, self.samples.y_test
            )
        cells = keras_model.cells(model)
        self.is_recurrent = bool(cells)
        self.cell_operators = sum(cell.operators for cell in cells)
        self.refines = self._decide_refinement(model)
        self._model = model
        self._shared: dict[Hashable, Any] = {}

    def load(self, refined: bool = False) -> Any:
        """Load a new copy of the Keras model."""
        if self._changes:  # rebuilding and comparing it once is enough
            model = rebuilding.copy(self._model)
        else:
            model = keras_model.load(self.original.model, self.settings.steps, x=self.samples.x_test)
        if refined:
            rebuilding.set_weights(model, self._refined_weights)
        return model

    @cached_property
    def no_stream(self) -> str:
        """Reason why the Keras model cannot answer row by row; empty if it can."""
        return why_no_stream(self._model, self.samples.x_calibration)

    @property
    def rebuilt(self) -> str:
        """Differences of the exported model from the one in the file, in words; empty if it is the same."""
        if not self._changes:
            return ""
        answers, gap = "its answers are the same up to rounding", self.precision_gap
        if gap.precision:
            answers = (
                f"its answers differ by up to {gap.difference:.1g} from those in {gap.precision} (agreement "
                f"{self.task.show_agreement(1 - gap.disagreement)}), and the limits of the proof are wider by that"
            )
        return f"The Keras model is exported with {self._changes}; {answers}."

    @property
    def special_layers(self) -> tuple[str, ...]:
        """The layers that may need operators which a format lacks, in words."""
        return keras_model.special_layers(self._model)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return an intermediate result of a format that several targets share; it is made once for each key."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("T", self._shared[key])

    def card(self, target: Target, finished: Finished, calibrated: bool) -> Card:
        """Make the card of a target's artifact, before its proof.

        Args:
            target: the artifact.
            finished: its converted file.
            calibrated: True if the calibration set was used for it.
        """
        x, scale, features = self.samples.x_calibration, self.samples.scale, self.original.features
        calibration: dict[str, Any] = {}
        if calibrated:
            calibration = {"samples": len(x), "chosen": "training", "refined": self.refines}
        return Card(
            edgernn=__version__,
            name=self.original.name,
            inputs=(
                InputSpec(
                    INPUT,
                    self.input_shape,
                    dtype=target.io,
                    meaning=self.original.input_meaning,
                    range=(float(x.min()), float(x.max())),
                    limits=finished.input_limits,
                    inverted=self.original.input_meaning in PIXELS and is_dark_on_light(x),
                    offset=scale.offset if scale else (),
                    factor=scale.factor if scale else (),
                    ranges=ranges_of(self.samples.raw_inputs("x_calibration")) if scale or features else (),
                    features=features,
                    layers=self._scaling_layers,
                    own_shape=self.own_shape,
                    mask_value=self._mask_value,
                ),
            ),
            outputs=(
                OutputSpec(
                    OUTPUT,
                    self.test_answers.shape[1:],
                    task=self.task,
                    labels=self.original.labels,
                    dtype=target.io,
                    limits=finished.output_limits,
                ),
            ),
            states=(),
            quantization=target.quantization,
            layout=target.layout,
            source_sha256=self._digest,
            parameters=self.parameters,
            calibration=calibration,
            measured={},
            golden=None,
        )

    def _decide_refinement(self, model: Any) -> bool:
        samples = len(self.samples.x_calibration)
        if self.settings.refine is not None:
            return self.settings.refine
        return samples >= rules.MIN_REFINE_SAMPLES and estimate_seconds(model, samples) <= MAX_REFINE_SECONDS

    @cached_property
    def _refined_weights(self) -> list[Float32]:
        answers = self.calibration_answers
        return refine(self.load(), self.samples.x_calibration, answers, loss_of(self.task, answers)).weights


def ranges_of(x: Float32) -> tuple[Range, ...]:
    """Measure the lowest and the highest number of each feature, or of all if there are very many, rounded outwards.

    Args:
        x: raw calibration samples, float32 [samples, steps, features].
    """
    rows = x.reshape(-1, x.shape[-1] if x.shape[-1] <= MAX_DESCRIBED_FEATURES else 1)
    return tuple(
        rounded_out(float(low), float(high)) for low, high in zip(rows.min(axis=0), rows.max(axis=0), strict=True)
    )


def is_dark_on_light(x: Float32) -> bool:
    """Return True if pictures, [samples, height, width], are lighter at their border than inside: the ink is dark.

    Noise that is the same everywhere, and its cut at 1, change border and inside equally.
    """
    rows, columns = (max(1, round(_BORDER * size)) for size in x.shape[1:])
    inside = x[:, rows:-rows, columns:-columns]
    if not inside.size:
        return False
    border = (x.sum(dtype=np.float64) - inside.sum(dtype=np.float64)) / (x.size - inside.size)
    return bool(border > inside.mean(dtype=np.float64))
