import io
from contextlib import ExitStack

import pytest
from rich.console import Console

from edgernn_train import fit
from edgernn_train.epoch_progress import epoch_line, epoch_lines

CONSOLES = {"file": {}, "terminal": {"force_terminal": True}, "quiet": {"quiet": True}}


@pytest.fixture(scope="module")
def shown(tiny):
    """Train once; return what consoles of each kind show."""
    files = {kind: io.StringIO() for kind in CONSOLES}
    consoles = [Console(file=file, width=80, **CONSOLES[kind]) for kind, file in files.items()]
    with ExitStack() as stack:
        callbacks = [stack.enter_context(epoch_lines(console, epochs=2)) for console in consoles]
        fit(tiny, "seed", epochs=2, callbacks=callbacks)
    return {kind: file.getvalue() for kind, file in files.items()}


def test_away_from_a_terminal_it_is_one_plain_line_an_epoch(shown):
    text = shown["file"]
    assert "\r" not in text
    assert "\x1b" not in text
    assert [line[:10] for line in text.splitlines() if line.startswith("epoch")] == ["epoch 1/2 ", "epoch 2/2 "]


def test_the_summary_shows_the_parameters_of_each_layer(shown):
    text = shown["file"]
    assert all(number in text for number in ("5,952", "650", "Total params: 6,602"))
    assert max(map(len, text.splitlines())) <= 80


def test_a_terminal_sees_a_bar_too(shown):
    text = shown["terminal"]
    assert "\x1b" in text
    assert "14/14" in text


def test_quiet_is_quiet(shown):
    assert shown["quiet"] == ""


def test_a_line_fits_a_terminal_of_80_columns():
    logs = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy"), 0.98765)
    line = epoch_line(7, 20, logs)
    assert line == ("epoch  7/20  loss 0.9877  accuracy 0.9877  test loss 0.9877, accuracy 0.9877")
    with pytest.raises(KeyError):
        epoch_line(1, 1, {"loss": 1.0})
