"""The command `edgernn train`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from edgernn.artifacts import outdated_note
from edgernn.console.options import Labels, Name
from edgernn.console.terminal import say as say_line
from edgernn.console.terminal import say_json
from edgernn.data.model_digest import model_digest
from edgernn.data.run_commit import MODEL
from edgernn.data.run_settings import read_settings
from edgernn.errors import OutputError
from edgernn.system.extras import require
from edgernn.system.files import find_name_fault
from edgernn_train.architecture import CELLS, Network
from edgernn_train.checkpoints import Checkpoints
from edgernn_train.data import load_dataset
from edgernn_train.epoch_progress import epoch_lines, make_console, say, tensorboard_callbacks
from edgernn_train.prepared_inputs import absent_classes_note, check_values
from edgernn_train.recipes import RECIPES, find_recipe
from edgernn_train.repeating import DATA_DIGEST, check_same_data, command_to_resume, read_from
from edgernn_train.run_pictures import write_pictures
from edgernn_train.run_writer import default_folder, is_complete, name_of, open_run, write_run
from edgernn_train.training import MAX_SEED, Trained, fit

MAX_UNITS, MAX_LAYERS = 1024, 8


@click.command()
@click.option(
    "--data",
    "source",
    default="sample",
    show_default=True,
    metavar="sample|mnist|PATH",
    help="The data set.",
)
@click.option(
    "--recipe", type=Name(list(RECIPES)), default="robust", show_default=True, help="How to train, see above."
)
@click.option(
    "--cell",
    type=Name(list(CELLS)),
    default=Network.cell,
    show_default=True,
    help="Kind of the recurrent layers.",
)
@click.option(
    "--units",
    type=click.IntRange(1, MAX_UNITS),
    default=Network.units,
    show_default=True,
    help="Values of a recurrent layer's state.",
)
@click.option(
    "--layers",
    type=click.IntRange(1, MAX_LAYERS),
    default=Network.layers,
    show_default=True,
    help="Number of recurrent layers.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs. [default: the recipe's]")
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of all random numbers, with either recipe.",
)
@click.option("--no-scale", is_flag=True, help="Leave pixels 0 to 255 undivided (recipe seed only).")
@click.option("--name", metavar="NAME", help="Name of the model and its artifacts. [default: that of the data]")
@click.option(
    "--labels",
    type=Labels(),
    metavar="FILE|NAME,NAME,…",
    help="Names of the classes: a text file, one in each line, or a list. [default: those of the data]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run folder. [default: runs/NAME-RECIPE]",
)
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder, finished or interrupted.")
@click.option("--resume", is_flag=True, help="Go on after the last finished epoch of an interrupted training.")
@click.option(
    "--from",
    "settings_file",
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=read_from,
    metavar="settings.json",
    help="Repeat the run of these settings; other options replace theirs.",
)
@click.option(
    "--tensorboard",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write loss and accuracy for TensorBoard.",
)
@click.option("--quiet", is_flag=True, help="Print only errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON; the rest goes to standard error.")
@click.pass_context
def train(
    ctx: click.Context,
    source: str,
    recipe: str,
    cell: str,
    units: int,
    layers: int,
    epochs: int | None,
    seed: int,
    no_scale: bool,
    name: str | None,
    labels: tuple[str, ...] | None,
    out: Path | None,
    overwrite: bool,
    resume: bool,
    settings_file: Path | None,
    tensorboard: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a small classifier and write a run folder for export.

    The model is SimpleRNN(64) and Dense(softmax), or the layers of --cell, --units and --layers. It reads sequences of
    values from 0 to 1; uint8 pixels are divided by 255. A model of another kind begins with `edgernn export
    model.keras`, without this command.

    Recipe `robust` trains 30 epochs on images that it warps, half of them with noise, or on windows of sensor values
    (float32) that it varies as sensors do. Recipe `seed` is the original training: five epochs on noisy images, so it
    often misreads clean ones, such as your own. With --no-scale, as in the original,
    pixels reach 255, and the noise sets values above 1 to 1: every pixel of ink becomes 1.

    The state of the training is saved in DIR/checkpoints after each epoch. After a power cut, a kill or Ctrl-C, the
    same command with --resume goes on, and ends with the weights of a training that was not interrupted.

    PATH is a folder of IDX files (plain or .gz), an mnist.npz, or an .npz with x_train, y_train, x_test and y_test.
    The names of the classes are those of --labels, the array labels of an .npz, or the lines of a file labels.txt
    beside IDX files.

    The run folder also gets pictures of the training: curves, confusions, mistakes, samples, accuracy row by row.

    \b
    Example:
        edgernn train
        edgernn train --data mnist --recipe seed --out runs/seed
        edgernn train --data gestures.npz --labels shake,rest,walk
        edgernn train --cell gru --units 32 --layers 2 --data gestures.npz
        edgernn train --from runs/seed/settings.json --out runs/again
    """
    require("train", "tensorflow", "keras", "mlxtend", "rich", "matplotlib")
    if tensorboard:
        require("tensorboard", "tensorboard")
    console = make_console(stderr=as_json, quiet=quiet)
    network = Network(cell, units, layers)
    dataset = load_dataset(source, labels=labels or ())
    check_values(dataset, find_recipe(recipe, dataset), not no_scale)
    name = name_of(source) if name is None else name
    if fault := find_name_fault(name):
        raise click.UsageError(f"--name: {name!r} {fault}; give a name that a file can have")
    folder = out or default_folder(name, recipe)
    epochs = find_recipe(recipe).epochs if epochs is None else epochs
    check_same_data(settings_file, dataset.sha256, ctx.get_parameter_source("source"))
    wanted = {
        "data": source,
        DATA_DIGEST: dataset.sha256,
        "recipe": recipe,
        "epochs": epochs,
        "seed": seed,
        "scaled": not no_scale,
        **asdict(network),
    }
    checkpoints = Checkpoints(folder, {"name": name, "labels": list(dataset.labels), **wanted}, resume)
    if resume and not overwrite and is_complete(folder, wanted):
        say(console, f"{folder} contains the whole run; nothing is left to train")
        checkpoints.remove()
        if as_json:
            say_json({"run": str(folder), **read_settings(folder)}, indent=2)
        return
    with open_run(folder, overwrite) as staging:
        checkpoints.check_free(overwrite)
        sequences = f"{len(dataset.x_train):,} + {len(dataset.x_test):,} sequences"
        say(console, f"recipe {recipe}, {network}, {epochs} epochs, {sequences}; loading TensorFlow ...")
        if note := absent_classes_note(dataset):
            say(console, note)
        with _advising(ctx, checkpoints), epoch_lines(console, epochs) as callback:
            trained = fit(
                dataset,
                recipe,
                build=network,
                epochs=epochs,
                seed=seed,
                scale=not no_scale,
                callbacks=[callback, *tensorboard_callbacks(tensorboard)],
                checkpoints=checkpoints,
                note=lambda text: say(console, text),
            )
        try:
            settings = write_run(staging, trained, source, name, **{DATA_DIGEST: dataset.sha256})
            write_pictures(staging, trained, dataset)
        except OutputError as error:
            way_out = "all epochs are saved: free space there, then repeat the command with --resume"
            raise OutputError(f"{error}; {way_out}") from error
    checkpoints.remove()
    say(console, report(trained, folder))
    left = outdated_note(folder, settings["name"], model_digest(folder / MODEL))
    if left:
        say(console, left)
    if as_json:
        say_json({"run": str(folder), **settings, "first_test_image": _first_test_image(trained)}, indent=2)


@contextmanager
def _advising(context: click.Context, checkpoints: Checkpoints) -> Iterator[None]:
    """If Ctrl-C or SIGTERM ends this block, say how to go on; before the first epoch has ended, leave no files."""
    try:
        yield
    except BaseException as error:
        if not checkpoints.file.exists():
            checkpoints.clear()
        elif isinstance(error, KeyboardInterrupt):
            epochs = checkpoints.finished_epochs()
            say_line(f"epochs 1 to {epochs} are saved; go on with: {command_to_resume(context)}", err=True)
        raise


def report(trained: Trained, folder: Path) -> str:
    """Describe a training: the first test image's answer, the results, the folder."""
    first = _first_test_image(trained)
    likeliest = sorted(first["probabilities"].items(), key=lambda answer: answer[1], reverse=True)[:3]
    answers = ", ".join(f"{label} ({value:.1%})" for label, value in likeliest)
    lines = [
        f"first test image ({first['condition']}) is {first['label']}, predicted {answers}",
        *(
            f"{condition} test images: loss {values['loss']:.4f}, accuracy {values['accuracy']:.4f}"
            for condition, values in trained.results.items()
        ),
        *_untrained(trained),
        f"trained in {trained.duration_s:.0f} s, saved in {folder}",
    ]
    return "\n".join(lines)


def _untrained(trained: Trained) -> list[str]:
    """Return a warning for each condition of test images that the recipe does not train on."""
    return [
        f"recipe {trained.recipe.name} does not train on {condition} images, such as your own; recipe robust does"
        for condition in trained.results
        if condition not in trained.recipe.conditions
    ]


def _first_test_image(trained: Trained) -> dict[str, Any]:
    probabilities = trained.first_probabilities
    return {
        "condition": next(iter(trained.results)),
        "label": trained.labels[trained.first_class],
        "predicted": trained.labels[int(probabilities.argmax())],
        "probabilities": dict(zip(trained.labels, map(float, probabilities), strict=True)),
    }
