import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from edgernn.data.run_folder import read_original
from edgernn.errors import OutputError, SettingError
from edgernn_train import open_run, write_run
from edgernn_train.run_writer import default_folder, name_of

FILES = ["history.json", "model.keras", "samples.npz", "settings.json"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "deep" / "run"
    with open_run(folder) as staging:
        write_run(staging, trained, "tiny.npz")
    return folder


def test_a_run_folder_holds_its_four_files_and_nothing_else(run):
    assert names_in(run) == FILES


def test_settings_say_how_it_was_trained(run, trained):
    import keras

    settings = json.loads((run / "settings.json").read_text())
    assert settings["versions"].pop("keras") == keras.__version__
    assert sorted(settings.pop("versions")) == ["edgernn", "numpy", "python", "tensorflow"]
    assert settings.pop("duration_s") > 0
    assert settings.pop("results") == trained.results
    assert settings.pop("sha256") == {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in FILES if name != "settings.json"
    }
    assert settings == {
        "format": 1,
        "name": "tiny",
        "labels": list("0123456789"),
        "input": "pixel / 255",
        "recipe": "robust",
        "seed": 3,
        "epochs": 6,
        "engine": "fit",
        "cell": "simple_rnn",
        "units": 64,
        "layers": 1,
        "batch_size": 64,
        "data": "tiny.npz",
        "scaled": True,
        "conditions": ["clean", "noisy"],
        "noise": {"mean": 0.5, "stddev": 0.1, "max_value": 1.0},
        "shape": [28, 28],
        "parameters": 6602,
    }


def test_history_is_that_of_the_training(run, trained):
    assert json.loads((run / "history.json").read_text()) == trained.history


def test_the_runtime_reads_it_back(run, trained):
    original = read_original(run)
    assert (original.name, original.labels) == ("tiny", trained.labels)
    assert original.input_meaning == "pixel / 255"
    assert original.samples is not None
    for name in ("x_calibration", "y_calibration", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(original.samples, name), getattr(trained.samples, name))


def test_the_saved_model_gives_the_same_probabilities(run, trained):
    import keras

    loaded = keras.models.load_model(run / "model.keras")
    # Calls, because `predict` of the shared model may have been compiled for batches of another size.
    x = trained.samples.x_test
    np.testing.assert_array_equal(loaded(x), trained.model(x))


def test_a_failed_training_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_run(tmp_path / "a" / "b") as staging:
        (staging / "model.keras").write_bytes(b"half")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


def test_a_failed_training_leaves_an_older_run_alone(trained, tmp_path):
    with open_run(tmp_path) as staging:
        write_run(staging, trained, "first")
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    with pytest.raises(RuntimeError, match="half way"), open_run(tmp_path, overwrite=True) as staging:
        write_run(staging, trained, "second")
        raise RuntimeError("half way")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before
    assert names_in(tmp_path) == FILES


def test_a_run_is_replaced_only_when_asked_for(trained, tmp_path):
    with open_run(tmp_path) as staging:
        write_run(staging, trained, "first")
    (tmp_path / "digits-int8.tflite").write_bytes(b"made from it")
    with pytest.raises(OutputError, match="contains a run; replace it with --overwrite"), open_run(tmp_path):
        pytest.fail("the block must not begin")
    with open_run(tmp_path, overwrite=True) as staging:
        write_run(staging, trained, "second")
    assert json.loads((tmp_path / "settings.json").read_text())["data"] == "second"
    assert "digits-int8.tflite" in names_in(tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_written(tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"contains no run, but thesis.txt"), open_run(tmp_path, overwrite):
        pytest.fail("the block must not begin")
    assert names_in(tmp_path) == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="cannot write"), open_run(target):
            pytest.fail("the block must not begin")


def test_what_killed_trainings_left_is_removed_by_the_next(trained, tmp_path):
    for name in (".run-abc", ".run-def"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.keras").write_bytes(b"half")
    for name in (".edgernn.lock", ".edgernn-abcd1234.tflite"):
        (tmp_path / name).touch()
    with open_run(tmp_path) as staging:
        write_run(staging, trained, "again")
    assert names_in(tmp_path) == FILES


def test_of_two_trainings_into_one_folder_the_second_is_refused_at_once(tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt), open_run(folder):
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="another `edgernn train` or"), open_run(folder, overwrite):
                pytest.fail("the block must not begin")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


def test_artifacts_have_the_name_of_the_data(tmp_path):
    assert [name_of(source) for source in ("sample", "mnist")] == ["digits", "digits"]
    assert [name_of(path) for path in ("data/fashion", "fashion.npz", Path("fashion"))] == ["fashion"] * 3
    (tmp_path / "v1.2").mkdir()
    assert name_of(tmp_path / "v1.2") == "v1.2"
    assert default_folder("fashion", "robust").as_posix() == "runs/fashion-robust"
    with pytest.raises(SettingError, match="begins with '-'; set another with --name"):
        name_of("data/-fashion.npz")
