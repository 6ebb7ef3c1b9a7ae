import json

import numpy as np
import pytest
from click.testing import CliRunner

from edgernn.cli import main
from edgernn.data.run_commit import PICTURES


def edgernn(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    # Each error is shown as a message, not as a traceback.
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def assert_refused(result, message, out, exit_code=1):
    assert result.exit_code == exit_code, result.output
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if "rror: " in line]) == 1
    if exit_code == 1:
        assert len(result.stderr.splitlines()) == 1
    assert not out.exists()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


def test_seed_shows_summary_epochs_first_prediction_and_results(tiny_npz, out):
    result = edgernn("train", "--data", tiny_npz, "--recipe", "seed", "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "Total params: 6,602" in result.stdout
    lines = result.stdout.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 5
    assert any(line.startswith("first test image (noisy) is ") for line in lines)
    assert any(line.startswith("noisy test images: loss ") for line in lines)
    assert any(line.startswith("clean test images: loss ") for line in lines)
    assert "recipe seed does not train on clean images, such as your own; recipe robust does" in lines
    assert max(map(len, lines[:-1])) <= 80
    assert str(out) in lines[-1]
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["recipe"], settings["epochs"], settings["seed"]) == ("seed", 5, 0)
    pictures = {path.name for path in out.glob("*.png")}
    assert {f"training-{name}.png" for name in ("curves", "confusions", "samples", "rows")} <= pictures <= {*PICTURES}
    assert settings["data"] == str(tiny_npz)


@pytest.mark.usefixtures("without_pictures")
def test_json_is_one_document_on_standard_output_and_quiet_is_quiet(tiny_idx, out):
    labels = ("--labels", "a,b,c,d,e,f,g, h,i,j")
    arguments = ("train", "--data", tiny_idx, *labels, "--epochs", 1, "--seed", 5, "--quiet", "--json", "--out", out)
    result = edgernn(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    answer = json.loads(result.stdout)
    assert answer["run"] == str(out)
    assert answer["labels"] == list("abcdefghij")
    assert set(answer["results"]) == {"clean", "noisy"}
    assert set(answer["results"]["noisy"]) == {"loss", "accuracy"}
    assert answer["first_test_image"]["condition"] == "clean"
    assert sum(answer["first_test_image"]["probabilities"].values()) == pytest.approx(1, abs=1e-5)

    # A second time it is refused; test_resume.py replaces a run with --overwrite.
    refused = edgernn(*arguments)
    assert refused.exit_code == 1
    assert "replace it with --overwrite" in refused.stderr


def test_no_scale_keeps_pixels_and_cuts_them_off_at_one(tiny_npz, tiny, out):
    result = edgernn(
        "train", "--data", tiny_npz, "--recipe", "seed", "--no-scale", "--epochs", 1, "--quiet", "--out", out
    )
    assert result.exit_code == 0, result.output
    assert result.output == ""
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["scaled"], settings["input"]) == (False, "pixel, at most 1")
    with np.load(out / "samples.npz") as samples:
        assert (samples["x_test"][tiny.x_test > 0] == 1.0).all()


@pytest.mark.usefixtures("without_pictures")
def test_another_cell_is_trained_and_recorded(tiny_npz, out):
    """test_resume.py does so with GRU."""
    import keras

    words = ("--recipe", "seed", "--cell", "lstm", "--units", 4, "--layers", 2, "--epochs", 1, "--quiet")
    result = edgernn("train", "--data", tiny_npz, *words, "--out", out)
    assert result.exit_code == 0, result.output
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["cell"], settings["units"], settings["layers"]) == ("lstm", 4, 2)
    model = keras.models.load_model(out / "model.keras")
    assert [type(layer).__name__.lower() for layer in model.layers] == ["lstm", "lstm", "dense"]


def test_help_has_an_example_and_loads_no_tensorflow():
    import subprocess
    import sys

    code = (
        "import sys; from edgernn.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'rich', 'mlxtend'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Example:\n      edgernn train" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def without_a_file(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()


def emptied(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(b"")


def wrong_magic(folder):
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(b"\x00\x00\x07\x03" + file.read_bytes()[4:])


def cut_short(folder):
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])


def one_label_less(folder):
    file = folder / "train-labels-idx1-ubyte"
    data = file.read_bytes()
    file.write_bytes(data[:4] + (199).to_bytes(4, "big") + data[8:-1])


def a_label_of_ten(folder):
    file = folder / "train-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + b"\x0a")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_a_file, "no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in this folder"),
        (emptied, "the file is empty"),
        (wrong_magic, "not an IDX file: magic number 00000703"),
        (cut_short, "156,799 bytes of data, expected 156,800 for shape (200, 28, 28)"),
        (one_label_less, "y_train has shape (199,), expected (200,)"),
        (a_label_of_ten, "y_train[199] is 10, expected a class from 0 to 9"),
    ],
)
def test_a_damaged_idx_folder_is_one_line(tiny_idx, out, damage, message):
    damage(tiny_idx)
    assert_refused(edgernn("train", "--data", tiny_idx, "--out", out), message, out)


def test_a_missing_path_is_one_line(tmp_path, out):
    assert_refused(edgernn("train", "--data", tmp_path / "none", "--out", out), "expected sample, mnist or a path", out)
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28)))
    assert_refused(edgernn("train", "--data", tmp_path / "x.npy", "--out", out), "expected an .npz with x_train", out)
    (tmp_path / "notes.md").write_text("no arrays")
    message = "notes.md: unsupported file type '.md'; expected an .npz with x_train"
    assert_refused(edgernn("train", "--data", tmp_path / "notes.md", "--out", out), message, out)
    message = (
        "train-images-idx3-ubyte.gz in this folder; expected an .npz with x_train, y_train, x_test, y_test, or a fol"
    )
    assert_refused(edgernn("train", "--data", tmp_path, "--out", out), message, out)


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "x_train contains NaN or infinity, first in sample 2"), (7.5, "x_train goes from 0 to 7.5")],
)
def test_values_that_no_recipe_takes_are_one_line(tiny, write_npz, tmp_path, out, value, message):
    x_train = tiny.x_train.astype(np.float32) / 255
    x_train[2, 3, 4] = value
    x_train[2, 3, 5] = 0
    file = write_npz(tmp_path / "float.npz", tiny, x_train=x_train, x_test=tiny.x_test / np.float32(255))
    assert_refused(edgernn("train", "--data", file, "--out", out), message, out)


@pytest.mark.parametrize(
    ("count", "label", "message"),
    [
        (200, 7, "y_train has one class, 7, in 200 samples; expected at least 2 classes to tell apart"),
        (1, 3, "y_train has one class, 3, in 1 samples; expected at least 2"),
        (0, 0, "x_train has shape (0, 28, 28), expected (samples, steps, features), none of them 0"),
    ],
)
def test_data_with_nothing_to_tell_apart_are_one_line(tiny, write_npz, tmp_path, out, count, label, message):
    file = write_npz(tmp_path / "one.npz", tiny, x_train=tiny.x_train[:count], y_train=np.full(count, label))
    assert_refused(edgernn("train", "--data", file, "--out", out), message, out)


@pytest.mark.parametrize(
    ("colors", "message"), [(1, "save x_train[..., 0]"), (3, "save x_train.mean(axis=-1).astype(x_train.dtype)")]
)
def test_pictures_with_colors_are_one_line(tiny, write_npz, tmp_path, out, colors, message):
    x_train = np.stack([tiny.x_train] * colors, axis=-1)
    file = write_npz(tmp_path / "colors.npz", tiny, x_train=x_train)
    shape = f"x_train has shape {x_train.shape}, expected (samples, steps, features), none of them 0; for pictures, "
    assert_refused(edgernn("train", "--data", file, "--out", out), shape + message, out)


def test_one_test_image_and_classes_without_data_are_trained(tiny, write_npz, tmp_path, out):
    keep = np.isin(tiny.y_train, (0, 1, 3))
    arrays = {"x_train": tiny.x_train[keep][:, :20], "y_train": tiny.y_train[keep]}
    file = write_npz(tmp_path / "few.npz", tiny, **arrays, x_test=tiny.x_test[:1, :20], y_test=[2])
    result = edgernn("train", "--data", file, "--labels", "a,b,c,d", "--epochs", 1, "--units", 2, "--out", out)
    assert result.exit_code == 0, result.output
    assert "y_train has no sample of class c: the model will not learn it;" in result.stdout
    assert (json.loads((out / "settings.json").read_text())["shape"]) == [20, 28]


def test_no_network_is_one_line(out, monkeypatch):
    import keras

    def refuse():
        raise OSError("URL fetch failure: no route to host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", refuse)
    assert_refused(edgernn("train", "--data", "mnist", "--out", out), "Use `--data sample`", out)


def test_no_scale_with_robust_is_one_line(tiny_npz, out):
    result = edgernn("train", "--data", tiny_npz, "--no-scale", "--quiet", "--out", out)
    assert_refused(result, "only recipe seed can leave pixels unscaled", out)


@pytest.mark.parametrize(
    ("option", "value"), [("--recipe", "sede"), ("--epochs", "0"), ("--seed", "-1"), ("--epochs", "many")]
)
def test_a_wrong_option_is_wrong_usage(tiny_npz, out, option, value):
    result = edgernn("train", "--data", tiny_npz, option, value, "--out", out)
    assert_refused(result, f"Invalid value for '{option}'", out, exit_code=2)


def test_labels_of_another_number_are_one_line(tiny_npz, out):
    result = edgernn("train", "--data", tiny_npz, "--labels", "a,b", "--out", out)
    assert_refused(result, "2 labels (a, b), expected 10: one for each class of y_train and y_test", out)


def test_an_output_folder_that_cannot_be_written_is_one_line(tiny_npz, tmp_path):
    (tmp_path / "file").write_text("")
    result = edgernn("train", "--data", tiny_npz, "--out", tmp_path / "file" / "run")
    assert_refused(result, "cannot write", tmp_path / "file" / "run")
    # Refused before the training, not after it.
    assert "epoch" not in result.output


def test_a_missing_extra_says_how_to_install_it(tiny_npz, out, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "mlxtend" else object())
    result = edgernn("train", "--data", tiny_npz, "--out", out)
    assert_refused(result, 'mlxtend is not installed: pip install "keras<4,>=3.12" ', out)
