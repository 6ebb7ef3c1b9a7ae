import numpy as np
import pytest

from edgernn.errors import DataError, SettingError
from edgernn.inputs import scale_pixels
from edgernn_train import find_recipe, fit, with_noise
from edgernn_train.prepared_inputs import one_hot, prepare_inputs
from edgernn_train.run_writer import describe


@pytest.fixture(scope="module")
def by_seed_recipe(tiny):
    return fit(tiny, "seed")


def test_seed_trains_as_its_recipe_says(by_seed_recipe):
    model = by_seed_recipe.model
    assert model.loss == "categorical_crossentropy"
    assert type(model.optimizer).__name__ == "Adam"
    assert model.count_params() == 6602
    assert by_seed_recipe.epochs == 5
    # Accuracy and loss of every epoch, the latter two on the noisy test images.
    assert set(by_seed_recipe.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in by_seed_recipe.history.values()} == {5}


def test_seed_is_validated_on_the_noisy_test_images(by_seed_recipe):
    assert next(iter(by_seed_recipe.results)) == "noisy"
    assert by_seed_recipe.results["noisy"]["loss"] == pytest.approx(by_seed_recipe.history["val_loss"][-1], abs=1e-5)
    assert by_seed_recipe.results["noisy"]["accuracy"] == pytest.approx(
        by_seed_recipe.history["val_accuracy"][-1], abs=1e-6
    )


def test_a_training_predicts_and_evaluates_as_it_was_tested(by_seed_recipe, tiny):
    noisy = with_noise(tiny)
    assert by_seed_recipe.evaluate(noisy.x_test, noisy.y_test) == by_seed_recipe.results["noisy"]
    # uint8 pixels are scaled as in the training.
    assert by_seed_recipe.evaluate(tiny.x_test, tiny.y_test) == by_seed_recipe.results["clean"]
    answers = by_seed_recipe.predict(noisy.x_test)
    assert answers.shape == (60, 10)
    np.testing.assert_allclose(by_seed_recipe.predict(noisy.x_test[0]), answers[0], atol=1e-6)
    np.testing.assert_allclose(answers[0], by_seed_recipe.first_probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 28, 27), np.float32), [0, 1], r"x has shape \(2, 28, 27\), expected \(samples, 28, 28\) or"),
        (np.zeros((0, 28, 28), np.float32), [], r"x has shape \(0, 28, 28\), expected"),
        (np.zeros(784, np.float32), [0], r"x has shape \(784,\), expected"),
        (np.zeros((2, 28, 28), np.float32), [0], r"y has shape \(1,\) and type int64, expected whole numbers \(2,\)"),
        (np.zeros((2, 28, 28), np.float32), np.eye(10)[:2], r"y has shape \(2, 10\) and type float64, expected"),
        (np.zeros((2, 28, 28), np.float32), [0, 10], r"y\[1\] is 10, expected a class from 0 to 9"),
    ],
)
def test_samples_of_another_shape_are_refused(by_seed_recipe, x, y, message):
    with pytest.raises(DataError, match=message):
        by_seed_recipe.evaluate(x, np.array(y))


def test_seed_is_also_tested_on_clean_images(by_seed_recipe, tiny):
    probabilities = by_seed_recipe.model.predict(scale_pixels(tiny.x_test), verbose=0)
    accuracy = np.mean(probabilities.argmax(axis=1) == tiny.y_test)
    assert list(by_seed_recipe.results) == ["noisy", "clean"]
    assert by_seed_recipe.results["clean"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_clean_test_images_are_those_that_the_runtime_feeds(tiny):
    unscaled = prepare_inputs(tiny, find_recipe("seed"), 0, scale=False)
    np.testing.assert_array_equal(unscaled.clean_test, scale_pixels(tiny.x_test, unscaled.meaning))
    scaled = prepare_inputs(tiny, find_recipe("robust"), 0)
    np.testing.assert_array_equal(scaled.clean_test, scaled.test["clean"])


def test_the_results_are_those_of_the_samples(by_seed_recipe):
    # All test images are samples, because they are few: the samples give the reported figures.
    samples = by_seed_recipe.samples
    probabilities = by_seed_recipe.model.predict(samples.x_test, verbose=0)
    wanted = one_hot(samples.y_test, 10)
    accuracy = np.mean(probabilities.argmax(axis=1) == samples.y_test)
    loss = -np.mean(np.log(np.sum(probabilities * wanted, axis=1)))
    assert by_seed_recipe.results["noisy"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert by_seed_recipe.results["noisy"]["loss"] == pytest.approx(loss, abs=1e-5)
    np.testing.assert_allclose(by_seed_recipe.first_probabilities, probabilities[0], atol=1e-6)
    assert by_seed_recipe.first_class == samples.y_test[0]


def test_it_learns(trained):
    losses = trained.history["loss"]
    assert losses[-1] < losses[0]
    assert set(trained.results) == {"clean", "noisy"}


def test_the_same_seed_gives_the_same_numbers(tiny, trained):
    again = fit(tiny, "robust", epochs=6, seed=3)
    assert again.history == trained.history
    assert again.results == trained.results
    for a, b in zip(again.model.get_weights(), trained.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(again.samples.x_calibration, trained.samples.x_calibration)


def test_another_seed_gives_other_numbers(tiny, trained):
    other = fit(tiny, "robust", epochs=1, seed=4)
    assert other.history["loss"][0] != trained.history["loss"][0]
    assert not np.array_equal(other.samples.x_test, trained.samples.x_test)


def test_the_classes_may_be_of_any_number(tiny):
    import dataclasses

    two = dataclasses.replace(
        tiny,
        x_train=tiny.x_train[:, :6, :5],
        y_train=tiny.y_train % 2,
        x_test=tiny.x_test[:, :6, :5],
        y_test=tiny.y_test % 2,
        labels=("even", "odd"),
    )
    trained = fit(two, "seed", epochs=1)
    assert trained.model.input_shape == (None, 6, 5)
    assert trained.first_probabilities.shape == (2,)


def test_model_and_recipe_may_be_ones_own(tiny):
    import dataclasses

    import keras

    def build(steps, features, classes, *, seed):
        initializer = keras.initializers.GlorotUniform(seed)
        layers = [keras.layers.Flatten(), keras.layers.Dense(classes, "softmax", kernel_initializer=initializer)]
        return keras.Sequential([keras.Input((steps, features)), *layers])

    clean = dataclasses.replace(find_recipe("robust"), name="clean", conditions=("clean",), augmentation=None)
    trained = fit(tiny, clean, build=build, epochs=2)
    assert trained.model.count_params() == 28 * 28 * 10 + 10
    assert set(trained.results) == {"clean"}
    assert describe(trained, "tiny")["noise"] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "0 epochs; expected at least 1"),
        ({"seed": -1}, "seed -1; expected 0 to 4294967295"),
        ({"seed": 2**32}, "seed 4294967296; expected"),
        ({"recipe": "sede"}, "unknown recipe 'sede'"),
    ],
)
def test_settings_that_cannot_be_are_refused(tiny, settings, message):
    with pytest.raises(SettingError, match=message):
        fit(tiny, **settings)


def test_data_out_of_range_is_refused_before_training(tiny):
    import dataclasses

    x = tiny.x_train.astype(np.float32)
    with pytest.raises(DataError, match="expected values in"):
        fit(dataclasses.replace(tiny, x_train=x), "robust")
