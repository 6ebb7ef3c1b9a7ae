"""An early look at a training: its checkpoint as a run folder, which is exported and compared like any other."""

import shutil
from pathlib import Path

from edgernn.data.run_checkpoint import FOLDER, STATE_FILE, Kind, read_checkpoint
from edgernn.data.run_commit import HISTORY, MODEL, SAMPLES, remove_stagings, staging
from edgernn.data.run_settings import write_settings
from edgernn.errors import DataError
from edgernn.system.extras import require
from edgernn.system.files import make_folder, write_json
from edgernn.system.locks import alone_in
from edgernn_export import keras_file


def make_run(run: Path, kind: Kind) -> Path:
    """Make a run folder with the weights of an unfinished training, which may be running.

    Args:
        run: the run folder of the training.
        kind: `best`: the epoch with the highest accuracy on the test images; `last`: the last finished one.

    Returns:
        RUN/checkpoints/KIND; it is replaced if it exists.

    Raises:
        DataError: there is no checkpoint, or it is damaged.
        ModelError: its model cannot be read.
        OutputError: the run folder cannot be written.
    """
    require("export", "tensorflow", "keras")
    checkpoints = run / FOLDER
    if not (checkpoints / STATE_FILE).is_file():
        raise DataError(
            f"{run}: no checkpoint in this folder; a training writes one after its first epoch, and removes it at its "
            "end: for the finished model, omit --checkpoint"
        )
    checkpoint = read_checkpoint(checkpoints / STATE_FILE)
    model = keras_file.read(checkpoints / MODEL)
    try:
        model.set_weights(checkpoint.weights(kind))
    except ValueError as error:
        raise DataError(f"{checkpoints}: {STATE_FILE} has the weights of another model than {MODEL}") from error
    folder = checkpoints / kind
    make_folder(folder)
    with alone_in(folder):
        remove_stagings(folder)
        with staging(folder) as staged:
            model.save(staged / MODEL)
            write_json(staged / HISTORY, checkpoint.history)
            try:
                shutil.copyfile(checkpoints / SAMPLES, staged / SAMPLES)
            except FileNotFoundError as error:
                raise DataError(f"{run}: the training ended at this moment; omit --checkpoint") from error
            write_settings(staged, {**checkpoint.settings, "checkpoint": kind, "epoch": checkpoint.epoch_of(kind)})
    return folder
