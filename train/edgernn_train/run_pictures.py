"""Pictures of a training for its run folder: curves, confusions, mistakes, samples, and accuracy as rows arrive."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgernn.arrays import Float32
from edgernn.data.corruptions import CLEAN, are_pictures, corrupted_copies
from edgernn.data.datasets import Dataset
from edgernn.data.run_commit import PICTURES
from edgernn.inputs import scale_pixels
from edgernn.metrics import accuracy
from edgernn.system.files import write_bytes
from edgernn.tasks import CLASSIFICATION, Task
from edgernn_train import plots
from edgernn_train.training import Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The samples whose answers after each row are drawn; a curve of more looks the same.
MAX_STREAMED = 500
MAX_CORRUPTED = 1000
MAX_MISTAKES = 20
MAX_EXAMPLES = 10


def write_pictures(folder: Path, trained: Trained, dataset: Dataset | None = None) -> list[Path]:
    """Draw a training and write the pictures into `folder`, made by `open_run`.

    training-curves.png      loss and accuracy after each epoch
    training-confusions.png  the confusion matrix of the test samples
    training-mistakes.png    the mistakes with the highest probabilities, if there are any
    training-samples.png     test samples, clean and in each condition of the training
    training-rows.png        accuracy after each row of the sequence
    training-corruptions.png accuracy on corrupted test pictures, if there are pictures and `dataset` is given

    Args:
        folder: the folder that `open_run` yielded.
        trained: result of `fit`.
        dataset: the data set of the training.

    Returns:
        The files.

    Raises:
        OutputError: a file cannot be written, for instance because the disk is full.
        MissingExtraError: matplotlib is not installed.
    """
    written = []
    for name, figure in chain(_draw(trained, dataset), _draw_corruptions(trained, dataset)):
        file = folder / f"training-{name}.png"
        if file.name not in PICTURES:
            raise ValueError(f"{file.name} is not in the list of pictures that a run folder replaces")
        write_bytes(file, plots.png_of(figure))
        written.append(file)
    return written


def _draw(trained: Trained, dataset: Dataset | None) -> Iterator[tuple[str, "Figure"]]:
    x, truth = trained.samples.x_test, np.asarray(trained.samples.y_test, np.int64)
    conditions = [str(condition) for condition in trained.recipe.conditions]
    answers = trained.predict(x)
    labels = trained.labels
    decisions = answers.argmax(axis=-1)
    counts = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(counts, (truth, decisions), 1)
    yield "curves", trained.show_history()
    yield "confusions", plots.draw_confusions(counts, labels)
    task = Task(CLASSIFICATION)
    mistakes, confidence = task.find_confident_mistakes(answers, truth, MAX_MISTAKES), task.confidence(answers)
    if len(mistakes):
        short = [plots.shorten(label) for label in labels]
        titles = [f"{short[truth[n]]}\nread as {short[decisions[n]]}\n{confidence[n]:.1%}" for n in mistakes]
        yield "mistakes", plots.show_grid(x[mistakes], titles)
    yield "samples", _draw_samples(trained, dataset)
    rows = answers_by_row(trained.model, x[:MAX_STREAMED])
    if rows is not None:
        right = rows.argmax(axis=-1) == truth[:MAX_STREAMED, np.newaxis]
        turns = len(conditions)
        # Fewer samples than conditions leave some without any.
        shares = {name: right[turn::turns].mean(axis=0) for turn, name in enumerate(conditions[: len(right)])}
        yield "rows", plots.draw_rows({name: list(each) for name, each in shares.items()})


def _draw_corruptions(trained: Trained, dataset: Dataset | None) -> Iterator[tuple[str, "Figure"]]:
    """Yield the table of corruptions; nothing for other data than pictures, or unscaled pixels."""
    if dataset is None or not trained.scaled:
        return
    pictures, truth = (
        scale_pixels(dataset.x_test[:MAX_CORRUPTED], trained.input_meaning),
        dataset.y_test[:MAX_CORRUPTED],
    )
    if are_pictures(pictures):
        shares = {
            name: accuracy(trained.predict(copy).argmax(axis=-1), truth)
            for name, copy in corrupted_copies(pictures).items()
        }
        yield "corruptions", plots.draw_shares(shares, f"accuracy on {len(truth):,} test pictures, clean and corrupted")


def _draw_samples(trained: Trained, dataset: Dataset | None) -> "Figure":
    """Draw a row of test samples for each condition: the first of each class.

    If the recipe does not train on clean samples, those of the data set are the first row.
    """
    x, truth = trained.samples.x_test, np.asarray(trained.samples.y_test, np.int64)
    conditions = trained.recipe.conditions
    groups = [
        (str(name), x[turn :: len(conditions)], truth[turn :: len(conditions)]) for turn, name in enumerate(conditions)
    ]
    if dataset is not None and CLEAN not in conditions:
        groups.insert(
            0, (CLEAN, scale_pixels(dataset.x_test[: len(x)], trained.input_meaning), dataset.y_test[: len(x)])
        )
    present = [set(classes.tolist()) for _, _, classes in groups if len(classes)]
    # A class that a condition lacks would shift the rows.
    shown = sorted(set.intersection(*present) or present[0])[:MAX_EXAMPLES]
    images, titles = [], []
    for name, samples, classes in groups:
        for each in shown:
            if (places := np.flatnonzero(classes == each)).size:
                images.append(samples[places[0]])
                titles.append(f"{plots.shorten(trained.labels[each])}, {name}")
    return plots.show_grid(np.stack(images), titles, columns=len(shown))


def answers_by_row(model: Any, x: Float32) -> Float32 | None:
    """Return the model's answers after each row of a sequence, as if the sequence ended there.

    Args:
        model: a `keras.Sequential`.
        x: float32 [samples, steps, features].

    Returns:
        float32 [samples, steps, classes]; None if the model has a layer other than forward recurrent layers and Dense
        layers behind them.
    """
    import keras

    recurrent = (keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM)
    values: Any = x
    for layer in model.layers:
        if isinstance(layer, recurrent) and not layer.go_backwards:
            # The same layer, with a state for each row in place of the last one.
            states = type(layer).from_config(layer.get_config() | {"return_sequences": True})
            states.build(values.shape)
            states.set_weights(layer.get_weights())
            values = states(values)
        elif isinstance(layer, keras.layers.Dense | keras.layers.Dropout):
            values = layer(values)
        else:
            return None
    return np.asarray(values)
