"""Early checks: faults of models and samples that are found in a second, before TensorFlow is imported.

They refuse only what the export would refuse later, for the same reasons: the rules are those of `rules`,
`task_inference` and `keras_file`.
"""

from pathlib import Path

from edgernn.data.datasets import read_input_shapes
from edgernn.data.run_folder import Original
from edgernn.errors import ModelError
from edgernn.sample_shape import SampleShape
from edgernn_export import keras_file, rules
from edgernn_export.outline import Outline
from edgernn_export.settings import Settings
from edgernn_export.task_inference import check_truths


def check_model(path: Path) -> Outline | None:
    """Check a Keras file by its configuration alone.

    Args:
        path: a .keras or .h5 file.

    Returns:
        The model's outline; None if the configuration has a form that only Keras can read.

    Raises:
        ModelError: it is no Keras file, or the model is not supported.
    """
    outline = Outline.read(keras_file.read_config(path).config)
    if outline is None:
        return None
    try:
        if outline.inputs is not None and outline.outputs is not None:
            rules.check_ports(outline.inputs, outline.outputs)
        _ = outline.sample_shape  # raises for inputs that do not become rows
        rules.check_layers(outline.layers)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return outline


def check_header(outline: Outline | None, samples: Path | None, settings: Settings | None = None) -> None:
    """Check that samples fit a model by the header of their file, before their data are read.

    Args:
        outline: of the model, as `check_model` returns it.
        samples: a path for `read_samples`; None if the user gave none.
        settings: of an export; None for a comparison.

    Raises:
        DataError: they do not fit it. All other faults are left to the reading.
    """
    expected = outline.sample_shape if outline is not None else None
    if expected is None or expected.own or samples is None:
        return
    for name, shape in read_input_shapes(samples).items():
        if len(shape) == 3:
            rules.check_sample_shape(shape[1:], _expected(expected, settings), name, str(samples))


def check_samples(outline: Outline | None, original: Original, settings: Settings | None = None) -> None:
    """Check that samples fit a model, by their shapes and their truths.

    Args:
        outline: of the model, as `check_model` returns it.
        original: the model with its samples.
        settings: of an export; None for a comparison.

    Raises:
        DataError: they do not fit it, or cannot be used to calibrate.
    """
    samples = original.require_samples()
    shape = outline.sample_shape if outline is not None else None
    if shape is not None:
        steps, features = _expected(shape, settings)
        rules.check_sample_shapes(samples, (steps or samples.x_test.shape[1], features), shape.own)
    if settings is not None:
        rules.check_calibration(samples, settings.refine)
    sample = shape.own if shape is not None and shape.own else samples.x_test.shape[1:]
    answers = outline.answer_shape(sample) if outline is not None else None
    if outline is not None and answers is not None:
        check_truths(answers, samples, original.labels, softmax=outline.softmax)


def _expected(shape: SampleShape, settings: Settings | None) -> rules.Shape:
    """Return the (steps, features) that samples must have; None for any number of steps."""
    steps, features = shape.rows
    return ((settings.steps if settings else None) or steps, features)
