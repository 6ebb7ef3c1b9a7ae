"""`edgernn train` interrupted, resumed, and repeated from its settings."""

import errno
import json
import shlex
import shutil
import signal
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

from edgernn.cli import main
from edgernn.data.run_checkpoint import read_checkpoint
from edgernn.errors import OutputError, SettingError
from edgernn.system.interrupt import Interrupted
from edgernn_train import command

pytestmark = pytest.mark.usefixtures("without_pictures")

WORDS = ("--recipe", "seed", "--units", "4", "--epochs", "3", "--seed", "2")


def edgernn(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "a run"


@pytest.fixture
def train(tiny_npz, out):
    return lambda *words: edgernn("train", "--data", tiny_npz, *WORDS, "--out", out, *words)


@pytest.fixture
def interrupted(train, monkeypatch):
    """Interrupt a training by a signal after epoch 2 of 3; return the result of its command."""
    import keras

    def interrupt(epoch, logs):  # noqa: ARG001 (Keras passes them by name)
        if epoch == 1:
            raise Interrupted(signal.SIGINT)

    def fit(dataset, recipe, *, callbacks, **settings):
        callbacks = [*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=interrupt)]
        return whole_fit(dataset, recipe, callbacks=callbacks, **settings)

    whole_fit = command.fit
    with monkeypatch.context() as patch:
        patch.setattr(command, "fit", fit)
        return train()


def figures(out):
    settings = json.loads((out / "settings.json").read_text())
    return settings["results"], json.loads((out / "history.json").read_text())


def test_an_interrupt_saves_and_says_how_to_go_on(interrupted, out, tiny_npz, train, tmp_path):
    assert interrupted.exit_code == 130
    line = interrupted.stderr.splitlines()[-1]
    beginning, _, resume = line.partition("; go on with: edgernn ")
    assert beginning == "epochs 1 to 2 are saved"
    assert shlex.split(resume) == ["train", "--data", str(tiny_npz), *WORDS, "--out", str(out), "--resume"]
    assert [path.name for path in out.iterdir()] == ["checkpoints"]

    # It is not replaced by accident.
    refused = train()
    assert refused.exit_code == 1
    assert f"{out} contains a training that was interrupted; go on with --resume" in refused.stderr
    assert read_checkpoint(out / "checkpoints" / "last.npz").epochs == 2
    replaced = shutil.copytree(out, tmp_path / "replaced")

    resumed = edgernn(*shlex.split(resume))
    assert resumed.exit_code == 0, resumed.output
    lines = resumed.stdout.splitlines()
    assert "going on after epoch 2 of 3" in lines
    assert [line.split()[1] for line in lines if line.startswith("epoch ")] == ["3/3"]
    assert not (out / "checkpoints").exists()

    # The same from the beginning, in place of an interrupted training, has the same figures.
    assert train("--overwrite", "--quiet", "--out", replaced).exit_code == 0
    assert not (replaced / "checkpoints").exists()
    assert figures(replaced) == figures(out)

    again = train("--resume")
    assert again.exit_code == 0
    assert again.stdout == f"{out} contains the whole run; nothing is left to train\n"


def test_a_disk_that_is_full_before_the_first_epoch_has_ended_leaves_no_files(train, out, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numpy.savez", refuse)
    before = set(tmp_path.iterdir())
    result = train("--quiet")
    assert result.exit_code == 1
    samples = out / "checkpoints" / "samples.npz"
    assert result.stderr == f"error: cannot write {samples}: No space left on device\n"
    assert set(tmp_path.iterdir()) == before


def test_a_disk_that_is_full_after_the_last_epoch_is_one_line(train, monkeypatch):
    def refuse(*_, **__):
        raise OutputError("cannot write model.keras: No space left on device")

    monkeypatch.setattr(command, "fit", lambda *_, **__: None)
    monkeypatch.setattr(command, "write_run", refuse)
    result = train("--quiet")
    assert result.exit_code == 1
    way_out = "all epochs are saved: free space there, then repeat the command with --resume"
    assert result.stderr == f"error: cannot write model.keras: No space left on device; {way_out}\n"


def test_a_run_is_repeated_from_its_settings_alone(tiny_npz, tiny, write_npz, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    words = ("--cell", "gru", "--units", 3, "--no-scale", "--recipe", "seed", "--epochs", 1, "--seed", 9, "--quiet")
    labels = ",".join("abcdefghij")
    done = edgernn("train", "--data", tiny_npz, *words, "--labels", labels, "--name", "mine", "--out", first)
    assert done.exit_code == 0, done.output
    done = edgernn("train", "--from", first / "settings.json", "--out", second, "--quiet")
    assert done.exit_code == 0, done.output
    one, two = (json.loads((folder / "settings.json").read_text()) for folder in (first, second))
    for settings in (one, two):
        del settings["duration_s"], settings["sha256"]
    assert one == two
    assert one["labels"] == list("abcdefghij")
    assert (one["cell"], one["units"], one["scaled"]) == ("gru", 3, False)

    x = tiny.x_train.copy()
    x[0] = 0
    write_npz(tiny_npz, tiny, x_train=x)
    refused = edgernn("train", "--from", first / "settings.json", "--out", tmp_path / "third")
    assert refused.exit_code == 1
    assert "tiny.npz has changed: its SHA-256 is " in refused.stderr

    # The user chose these data: the training begins.
    def begin(*_arguments, **_settings):
        raise SettingError("begun")

    monkeypatch.setattr(command, "fit", begin)
    begun = edgernn("train", "--from", first / "settings.json", "--data", tiny_npz, "--out", tmp_path / "third")
    assert begun.stderr == "error: begun\n"


def test_other_settings_are_one_line(tmp_path):
    file = tmp_path / "settings.json"
    result = edgernn("train", "--from", file)
    assert (result.exit_code, result.stderr) == (1, f"error: {file}: no such file\n")
    file.write_text(json.dumps({"format": 1, "name": "x", "labels": [], "input": "", "data": "sample"}))
    result = edgernn("train", "--from", file)
    assert result.exit_code == 1
    assert "recipe, seed, epochs missing; expected settings that `edgernn train` wrote" in result.stderr


def test_tensorboard_is_an_extra(train, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorboard" else find_spec(name))
    result = train("--tensorboard", tmp_path / "logs")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: tensorboard is not installed: pip install ")
