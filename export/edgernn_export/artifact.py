"""The artifact: a converted file gets its card, is proven, and only then its name."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgernn
from edgernn.card import Card, Golden, seal
from edgernn.files import replacing
from edgernn.golden import SAMPLES, golden_inputs
from edgernn_export.proof import BARS, Proof, prove

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def write_artifact(
    path: Path,
    card: Card,
    embed: Callable[[bytes], bytes],
    x: Float32,
    classes: Int64,
    reference: Float32,
) -> Proof:
    """Write an artifact, proven, or not at all.

    Args:
        path: what it will be called.
        card: without `measured` and `golden`, which the proof fills in.
        embed: puts an encoded card into the converted file and gives the file's content.
        x: test samples, float32 [samples, steps, features].
        classes: the right answers, int64 [samples].
        reference: the Keras model's answers, float32 [samples, classes].

    Raises:
        ExportError: the artifact does not hold its bar.
        ArtifactError: the runtime refuses it.
        OutputError: it cannot be written.
    """
    bar = BARS[card.quantization]
    with replacing(path) as temporary:
        temporary.write_bytes(seal(embed(card.encode())))
        model = edgernn.load(temporary)
        proof = prove(model, x, classes, reference)
        proof.check(bar)
        answers = model.predict(golden_inputs(SAMPLES, card.input_shape, *card.input_range))
        outputs = tuple(tuple(round(float(value), 6) for value in row) for row in answers)
        complete = replace(card, measured=asdict(proof), golden=Golden(outputs, bar.golden))
        temporary.write_bytes(seal(embed(complete.encode())))
        # What gets the name is the file that loads on the device, its golden samples checked.
        edgernn.load(temporary)
    return proof
