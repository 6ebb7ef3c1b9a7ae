"""Common part of the examples: train on generated data, then export, stream and compare as a user would."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

import edgernn
from common.pages import fill_in, preformatted
from edgernn.arrays import Float32
from edgernn.artifacts import find_artifacts, remove_artifacts_of
from edgernn.cli import main as edgernn_command
from edgernn.data.model_digest import model_digest
from edgernn.errors import EdgernnError
from edgernn.system.files import replacing
from edgernn.system.quiet import standard_error_aside
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn.tasks import CLASSIFICATION, REGRESSION, Task

TRAINING_SAMPLES, CALIBRATION_SAMPLES, TEST_SAMPLES = 4000, 1000, 1000
TRAINING_SEED, TEST_SEED, MODEL_SEED = 1, 2, 3
BATCH_SIZE = 64
# Number of answers of the stream that are shown.
SHOWN = 8
RESULTS = "results"  # name of the generated part of a README

Truths = npt.NDArray[Any]


@dataclass(frozen=True)
class Example:
    """A problem and a well-known model for it.

    Attributes:
        folder: with the README; its name is the example's.
        generate: returns, for a number of samples and a seed, x, float32 [samples, steps, features], and the truths:
            the class, int64 [samples], or the value, float32 [samples, 1].
        build: returns the Keras model, not yet compiled.
        epochs: of training.
        learning_rate: initial rate of Adam; it falls to zero along half a cosine.
        labels: the names of the classes; empty for a regression.
        unit: of the values of a regression.
    """

    folder: Path
    generate: Callable[[int, int], tuple[Float32, Truths]]
    build: Callable[[], Any]
    epochs: int
    learning_rate: float
    labels: tuple[str, ...] = ()
    unit: str = ""

    def describe(self, answer: Float32) -> str:
        """Describe one answer, float32 [classes] or [1], in words."""
        if not self.labels:
            return f"{answer[0]:.1f} {self.unit}"
        return f"{self.labels[answer.argmax()]} {answer.max():.0%}"

    def score(self, answers: Float32, truths: Truths) -> str:
        """Compare answers, [samples, classes] or [samples, 1], with the truths; return the measures in words."""
        if self.labels:
            return f"accuracy {Task(CLASSIFICATION).score(answers, truths):.1%}"
        measured = Task(REGRESSION).measure(answers, truths)
        return f"R² {measured['r2']:.3f}, mean absolute error {measured['mae']:.1f} {self.unit}"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="[default: runs/examples/NAME]")
@click.option("--write-readme", is_flag=True, help="Put the results into the example's README.")
@click.pass_obj
def main(example: Example, out: Path | None, write_readme: bool) -> None:
    """Train on generated data, export, stream one sequence and compare; replace the files of an earlier run."""
    folder = out or Path("runs", "examples", example.folder.name)
    model, samples = folder / "model.keras", folder / "samples.npz"
    try:
        earlier = model_digest(model) if model.is_file() else ""
        trained = train(example, folder)
        click.echo(f"{trained}\n")
        # An artifact that fails its proof is reported and not written; the others are complete.
        run_edgernn(
            "export", str(model), "--samples", str(samples), "--out", str(folder), "--overwrite", allow_failure=True
        )
        if model_digest(model) != earlier:  # only now, because the new ones are complete
            remove_artifacts_of(folder, earlier)
        streamed = "\n".join(stream(example, choose_streamed(folder), samples))
        click.echo(f"{streamed}\n")
        artifacts = [str(path) for path, _ in find_artifacts(folder)]
        compared = run_edgernn("compare", str(model), *artifacts, "--samples", str(samples))
        if write_readme:
            results = f"{trained}\n\n{streamed}\n{compared}"
            fill_in(example.folder / "README.md", RESULTS, preformatted(results))
    except EdgernnError as error:
        raise click.ClickException(str(error)) from error


def train(example: Example, folder: Path) -> str:
    """Train the example's model on generated data; write model.keras and samples.npz to `folder`.

    Returns:
        The measures and the time, in a line.
    """
    with quiet_tensorflow():
        import keras

    x, y = example.generate(TRAINING_SAMPLES, TRAINING_SEED)
    x_test, y_test = example.generate(TEST_SAMPLES, TEST_SEED)
    click.secho(f"{example.folder.name}: training on {len(x):,} sequences, {example.epochs} epochs", bold=True)
    started = time.monotonic()
    keras.utils.set_random_seed(MODEL_SEED)
    model = example.build()
    rate = keras.optimizers.schedules.CosineDecay(example.learning_rate, example.epochs * len(x) // BATCH_SIZE)
    loss = "sparse_categorical_crossentropy" if example.labels else "mean_squared_error"
    # Compiling with XLA takes longer than it gains on models this small.
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss, jit_compile=False)
    show = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: click.echo(f"  epoch {epoch + 1:2}  loss {logs['loss']:.4f}")
    )
    model.fit(x, y, epochs=example.epochs, batch_size=BATCH_SIZE, callbacks=[show], verbose=0)
    seconds = time.monotonic() - started
    with replacing(folder / "model.keras") as temporary:
        model.save(temporary)
    arrays: dict[str, Any] = {
        "x_calibration": x[:CALIBRATION_SAMPLES],
        "y_calibration": y[:CALIBRATION_SAMPLES],
        "x_test": x_test,
        "y_test": y_test,
    }
    if example.labels:
        arrays["labels"] = np.array(example.labels)
    with replacing(folder / "samples.npz") as temporary:
        np.savez_compressed(temporary, **arrays)
    score = example.score(model.predict(x_test, verbose=0), y_test)
    return (
        f"Keras: {score} on {len(x_test):,} test sequences, after {seconds:.0f} s of training, {os.cpu_count()} cores"
    )


def run_edgernn(*words: str, allow_failure: bool = False) -> str:
    """Run an edgernn command; end the process with its exit code if that is not 0.

    Args:
        words: of the command line.
        allow_failure: True to continue after exit code 1, with which a command reports that a part failed.

    Returns:
        The output of the command.
    """
    click.secho(f"$ edgernn {' '.join(words)}", bold=True)
    with redirect_stdout(io.StringIO()) as printed:
        code = edgernn_command(list(words), prog_name="edgernn", standalone_mode=False)
    click.echo(printed.getvalue())
    if code and not (allow_failure and code == 1):
        sys.exit(code)
    return printed.getvalue()


def choose_streamed(folder: Path) -> Path:
    """Return the artifact to stream: the smallest whose stream has the bits of `predict`, int8 before others.

    Raises:
        ArtifactError: there is none.
    """
    exact = [
        (card.quantization != "int8", path.stat().st_size, path)
        for path, card in find_artifacts(folder)
        if card.exact_stream
    ]
    if not exact:
        raise edgernn.ArtifactError(
            f"{folder}: no artifact has a stream with the bits of predict; expected one, such as an int8 .tflite file"
        )
    return min(exact)[-1]


def stream(example: Example, artifact: Path, samples: Path) -> Iterator[str]:
    """Push the first test sequence through an artifact row by row; yield a line for every eighth of it.

    Raises:
        ArtifactError: the last answer is not bit for bit that of `predict`.
    """
    with np.load(samples) as arrays:
        x, truth = arrays["x_test"][0], arrays["y_test"][0]
    with standard_error_aside():  # LiteRT logs its delegate there
        model = edgernn.load(artifact)
    expected = example.labels[truth] if example.labels else f"{truth.item():.1f} {example.unit}"
    yield f"{artifact.name}, row by row; the truth is {expected}:"
    with model.stream() as rows:
        for count, row in enumerate(x, start=1):
            answer = rows.push(row)
            if count * SHOWN // len(x) > (count - 1) * SHOWN // len(x):
                yield f"  after row {count:3} of {len(x)}: {example.describe(answer)}"
    if answer.tobytes() != model.predict(x).tobytes():
        raise edgernn.ArtifactError(
            f"{artifact}: the last answer of the stream differs from predict, expected the same bits"
        )
    yield "  equal to predict on the whole sequence, bit for bit"
