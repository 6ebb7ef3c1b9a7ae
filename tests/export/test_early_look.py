"""Run folders made of the checkpoint of an unfinished training."""

import numpy as np
import pytest

from edgernn.data.run_checkpoint import FOLDER, Checkpoint, write_checkpoint
from edgernn.data.run_folder import read_original, write_samples
from edgernn.data.samples import Samples
from edgernn.errors import DataError, ModelError
from edgernn_export import keras_file
from edgernn_export.early_look import make_run

SETTINGS = {"name": "tiny", "labels": ["a", "b"], "input": "pixel / 255", "data": "tiny.npz"}


@pytest.fixture
def run(tmp_path):
    """Return the run folder of a training after epoch 2, whose best epoch was the first."""
    import keras

    model = keras.Sequential(
        [keras.Input((4, 3)), keras.layers.SimpleRNN(2), keras.layers.Dense(2, activation="softmax")]
    )
    best = [np.full_like(weights, 1) for weights in model.get_weights()]
    checkpoint = Checkpoint(
        facts={},
        settings=SETTINGS,
        history={"loss": [0.5, 0.6], "val_accuracy": [0.9, 0.8]},
        best_epoch=1,
        duration_s=1.0,
        last=[2 * weights for weights in best],
        best=best,
        others=[],
    )
    folder = tmp_path / "run" / FOLDER
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    x = np.random.default_rng(0).random((6, 4, 3), np.float32)
    write_samples(folder, Samples.unnamed(x, np.arange(6) % 2, x, np.arange(6) % 2), compressed=False)
    write_checkpoint(folder / "last.npz", checkpoint)
    return tmp_path / "run"


@pytest.mark.parametrize(("kind", "weight", "epoch"), [("best", 1, 1), ("last", 2, 2)])
def test_a_checkpoint_is_made_a_run_folder(run, kind, weight, epoch):
    for _ in range(2):  # the second time it is replaced
        folder = make_run(run, kind)
    assert folder == run / FOLDER / kind
    assert sorted(path.name for path in folder.iterdir()) == [
        "history.json",
        "model.keras",
        "samples.npz",
        "settings.json",
    ]
    original = read_original(folder)
    assert (original.name, original.labels, original.input_meaning) == ("tiny", ("a", "b"), "pixel / 255")
    assert len(original.require_samples().x_test) == 6
    assert all((weights == weight).all() for weights in keras_file.read(original.model).get_weights())
    assert f'"epoch": {epoch}' in (folder / "settings.json").read_text()


def test_without_a_checkpoint_it_is_one_error(run):
    with pytest.raises(
        ModelError, match=r"the training in this folder is not finished; go on with .* --checkpoint best`"
    ):
        read_original(run)
    (run / FOLDER / "last.npz").unlink()
    with pytest.raises(DataError, match=r"no checkpoint in this folder; .* omit --checkpoint"):
        make_run(run, "best")


def test_weights_of_another_model_are_one_error(run):
    import keras

    keras.Sequential([keras.Input((4, 3)), keras.layers.SimpleRNN(3)]).save(run / FOLDER / "model.keras")
    with pytest.raises(DataError, match=r"last.npz has the weights of another model than model.keras"):
        make_run(run, "last")
