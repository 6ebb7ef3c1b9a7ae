"""Progress of a training: the model's layers, a line an epoch and, in a terminal, a progress bar."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgernn.console import terminal
from edgernn.console.terminal import escaping
from edgernn.system.tensorflow_setup import quiet_tensorflow

if TYPE_CHECKING:
    from rich.console import Console


_SUMMARY_WIDTH = 80


def make_console(stderr: bool, quiet: bool) -> "Console":
    """Make a console on standard output or standard error, or a silent one."""
    from rich.console import Console

    return escaping(Console)(stderr=stderr, quiet=quiet)


@contextmanager
def epoch_lines(console: "Console", epochs: int) -> Iterator[Any]:
    """Yield a Keras callback that reports a training of `epochs` epochs on `console`.

    The progress bar is shown only in a terminal.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with quiet_tensorflow():
        import keras

    bar = Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches, {task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("training", total=None, figures="")
    finished = 0  # batches of the finished epochs

    def begin(_: object) -> None:
        callback.model.summary(line_length=_SUMMARY_WIDTH, print_fn=lambda text: say(console, text))
        bar.update(task, total=epochs * callback.params["steps"])

    def begin_epoch(epoch: int, logs: object) -> None:  # noqa: ARG001 (Keras passes them by name)
        nonlocal finished
        finished = epoch * callback.params["steps"]

    def advance(batch: int, logs: Mapping[str, float]) -> None:
        figures = f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}"
        bar.update(task, completed=finished + batch + 1, figures=figures)

    # Functions in place of a subclass: the class would need Keras when this module is imported.
    callback = keras.callbacks.LambdaCallback(
        on_train_begin=begin,
        on_epoch_begin=begin_epoch,
        on_train_batch_end=advance,
        on_epoch_end=lambda epoch, logs: say(console, epoch_line(epoch + 1, epochs, logs)),
    )
    with bar:
        yield callback


def tensorboard_callbacks(folder: Path | None) -> list[Any]:
    """Return the Keras callbacks that write figures for TensorBoard into a folder; none for None."""
    if folder is None:
        return []
    with quiet_tensorflow():
        import keras

    return [keras.callbacks.TensorBoard(folder, write_graph=False)]


def print_epochs() -> Any:
    """Return a Keras callback for `fit` that prints a line after each epoch, for instance in a notebook."""
    with quiet_tensorflow():
        import keras

    callback: Any = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: terminal.say(epoch_line(epoch + 1, callback.params["epochs"], logs))
    )
    return callback


def epoch_line(epoch: int, epochs: int, logs: Mapping[str, float]) -> str:
    """Format Keras's logs of an epoch as one line; the first epoch is number 1."""
    return (
        f"epoch {epoch:>{len(str(epochs))}}/{epochs}  "
        f"loss {logs['loss']:.4f}  accuracy {logs['accuracy']:.4f}  "
        f"test loss {logs['val_loss']:.4f}, accuracy {logs['val_accuracy']:.4f}"
    )


def say(console: "Console", text: str) -> None:
    """Print text unchanged: without markup, and without line breaks at the width of the terminal."""
    for line in text.split("\n"):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
