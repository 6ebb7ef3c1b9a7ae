"""Figures and pictures of a training: what they show, not how they look."""

import dataclasses

import numpy as np
import pytest

from edgernn.data.corruptions import CORRUPTIONS, corrupt
from edgernn.data.run_commit import PICTURES
from edgernn.data.samples import Samples
from edgernn.errors import DataError, OutputError
from edgernn_train import build_model, show_digit, show_grid, write_pictures
from edgernn_train.plots import draw_confusions, draw_curves
from edgernn_train.run_pictures import _draw_corruptions, _draw_samples, answers_by_row


def images_of(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def titles_of(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_a_digit_is_a_picture_with_its_numbers(tiny):
    figure = show_digit(tiny.x_train[3], tiny.y_train[3], numbers=True)
    np.testing.assert_array_equal(images_of(figure)[0], tiny.x_train[3])
    assert titles_of(figure) == [str(tiny.y_train[3])]
    assert texts_of(figure.axes[0]) == [str(value) for value in tiny.x_train[3].ravel()]
    assert not texts_of(show_digit(tiny.x_train[3] / 255).axes[0])


def test_a_grid_has_the_images_in_order_with_their_titles(tiny):
    figure = show_grid(tiny.x_train[:13], tiny.y_train[:13], columns=5)
    np.testing.assert_array_equal(images_of(figure), tiny.x_train[:13])
    assert titles_of(figure) == [str(label) for label in tiny.y_train[:13]]
    assert len({round(axes.get_position().x0, 3) for axes in figure.axes if axes.images}) == 5
    # A last axis of one channel, as of other libraries' images.
    np.testing.assert_array_equal(images_of(show_grid(tiny.x_train[:2, ..., np.newaxis])), tiny.x_train[:2])


def test_sensors_are_lines():
    windows = np.random.default_rng(0).normal(size=(3, 40, 6))
    figure = show_grid(windows, ["walk", "run", "rest"])
    for axes, window in zip(figure.axes, windows, strict=False):
        np.testing.assert_array_equal([line.get_ydata() for line in axes.lines], window.T)


def test_a_notebook_shows_a_figure_and_the_same_one_has_the_same_bytes(tiny):
    figure = show_digit(tiny.x_train[0])
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure._repr_png_() == show_digit(tiny.x_train[0])._repr_png_()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda x: show_digit(x),
            r"image has shape \(2, 28, 28\) and type uint8, expected numbers \(steps, features\)",
        ),
        (lambda x: show_grid(x[0]), r"images has shape \(28, 28\).* expected numbers \(images, steps, features\)"),
        (lambda x: show_grid(x[:0]), r"images has shape \(0, 28, 28\)"),
        (lambda x: show_digit(x[0].astype(str)), "expected numbers"),
        (lambda x: show_grid(x, ["one"]), "1 label"),
        (lambda x: show_digit(np.tile(x[0], (2, 2)), numbers=True), "image has 3,136 values, expected at most 1,024"),
    ],
)
def test_other_arrays_are_refused(tiny, draw, message):
    with pytest.raises(DataError, match=message):
        draw(tiny.x_train[:2])


def test_a_matrix_has_its_counts_and_curves_have_their_values(trained):
    counts = np.array([[5, 0], [2, 3]])
    assert texts_of(draw_confusions(counts, ["a", "b"]).axes[0]) == ["5", "2", "3"]
    losses, accuracies = draw_curves(trained.history).axes
    assert [list(line.get_ydata()) for line in losses.lines] == [trained.history["loss"], trained.history["val_loss"]]
    assert accuracies.get_title() == "accuracy"


def test_a_training_without_mistakes_has_all_other_pictures(trained, tmp_path):
    answers = trained.predict(trained.samples.x_test).argmax(axis=-1)
    samples = dataclasses.replace(trained.samples, test_truths={"": answers})
    written = write_pictures(tmp_path, dataclasses.replace(trained, samples=samples))
    assert [path.name for path in written] == [
        f"training-{name}.png" for name in ("curves", "confusions", "samples", "rows")
    ]
    assert {path.name for path in tmp_path.iterdir()} <= set(PICTURES)


def test_the_table_of_corruptions_has_the_accuracy_on_corrupted_pictures(trained, tiny):
    ((name, figure),) = _draw_corruptions(trained, tiny)
    assert name == "corruptions"
    clean = trained.results["clean"]["accuracy"]
    texts = texts_of(figure.axes[0])
    assert len(texts) == 1 + len(CORRUPTIONS)
    assert texts[0] == f"{clean:.1%}"
    blurred = corrupt(tiny.x_test / np.float32(255), "blur")
    assert texts[1 + list(CORRUPTIONS).index("blur")] == f"{trained.evaluate(blurred, tiny.y_test)['accuracy']:.1%}"
    assert not list(_draw_corruptions(dataclasses.replace(trained, scaled=False), tiny))


def test_samples_are_clean_and_noisy_whatever_the_recipe_trains_on(trained, tiny):
    classes = [str(label) for label in range(10)]
    titles = [f"{label}, {condition}" for condition in ("clean", "noisy") for label in classes]
    assert titles_of(_draw_samples(trained, tiny)) == titles
    noisy_only = dataclasses.replace(trained.recipe, conditions=("noisy",))
    drawn = _draw_samples(dataclasses.replace(trained, recipe=noisy_only), tiny)
    assert titles_of(drawn) == titles
    first = tiny.x_test[tiny.y_test == 0][0] / np.float32(255)
    np.testing.assert_array_equal(images_of(drawn)[0], first)
    # One sample: the other condition has none.
    one = Samples.unnamed(
        trained.samples.x_test, trained.samples.y_test, tiny.x_test[:1] / np.float32(255), tiny.y_test[:1]
    )
    assert titles_of(_draw_samples(dataclasses.replace(trained, samples=one), None)) == [f"{tiny.y_test[0]}, clean"]


def test_a_full_disk_is_one_message(trained, tmp_path, monkeypatch):
    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        write_pictures(tmp_path, trained)


def test_answers_by_row_are_those_of_the_cut_sequence(trained, tiny):
    x = tiny.x_test[:20].astype(np.float32) / 255
    rows = answers_by_row(trained.model, x)
    for count in (1, 9, 28):
        model = build_model(count, 28, 10)
        model.set_weights(trained.model.get_weights())
        np.testing.assert_allclose(rows[:, count - 1], model(x[:, :count]), atol=1e-5)


def test_answers_by_row_of_stacks_and_of_models_that_need_the_whole_sequence():
    import keras

    x = np.random.default_rng(0).random((4, 6, 5), np.float32)
    stack = keras.Sequential(
        [keras.Input((6, 5)), keras.layers.GRU(4, return_sequences=True), keras.layers.LSTM(3), keras.layers.Dense(2)]
    )
    rows = answers_by_row(stack, x)
    assert rows.shape == (4, 6, 2)
    np.testing.assert_allclose(rows[:, -1], stack(x), atol=1e-6)
    both_ways = keras.Sequential(
        [keras.Input((6, 5)), keras.layers.Bidirectional(keras.layers.GRU(4)), keras.layers.Dense(2)]
    )
    assert answers_by_row(both_ways, x) is None
