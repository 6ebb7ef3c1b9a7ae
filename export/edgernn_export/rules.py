"""Rules: which models and samples an export accepts.

Each rule checks plain facts, so that it can run two times: on the outline of a saved model, before TensorFlow is
imported, and on the loaded model, which decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgernn.data.samples import Samples
from edgernn.errors import DataError, ModelError
from edgernn.sample_shape import SampleShape, fits
from edgernn_export.cells import check_cells, check_kind

Shape = tuple[int | None, ...]

# End of the names of layers that go along the steps, such as Conv1D and GlobalMaxPooling1D.
_ALONG_STEPS = "1D"

# With fewer samples, the held-out ones are too few to choose an epoch of a refinement.
MIN_REFINE_SAMPLES = 20


@dataclass(frozen=True)
class LayerFacts:
    """Properties of a layer that decide whether it can be exported.

    Attributes:
        kind: name of its class.
        name: its name in the model.
        masks_ids: whether it masks time steps by ids, as an Embedding with mask_zero; Masking layers do not.
        recurrent: whether it is a recurrent layer of any kind; wrappers such as Bidirectional are not.
        cells: the classes of the cells of an RNN layer; empty for other layers.
        initial_state: whether it is called with initial states.
        used_states: numbers of its states that the model uses, if it returns them; 1 is the first.
    """

    kind: str
    name: str
    masks_ids: bool = False
    recurrent: bool = False
    cells: tuple[str, ...] = ()
    initial_state: bool = False
    used_states: frozenset[int] = frozenset()


def check_ports(inputs: int, outputs: int) -> None:
    """Check that a model has one input and one output.

    Raises:
        ModelError: it has not.
    """
    if inputs != 1:
        way_out = "build a model of one input, which contains the features of all"
    elif outputs != 1:
        way_out = "export a model of one output: keras.Model(model.input, model.outputs[0])"
    else:
        return
    raise ModelError(f"{inputs} inputs and {outputs} outputs, expected one of each; {way_out}")


def find_sample_shape(shape: Shape, layers: Sequence[LayerFacts]) -> SampleShape:
    """Find how a model's samples become rows: the first axis is the steps, all others are the features.

    A vector becomes steps of one feature if a layer goes along the steps, otherwise one row.

    Args:
        shape: of the model's input, with the batch.
        layers: its layers, and those inside them.

    Raises:
        ModelError: the model takes whole numbers for an Embedding, or an axis other than the first is free.
    """
    _, *own = shape
    if len(own) == 2 and own[1]:
        return SampleShape((own[0], own[1]))
    kinds = [layer.kind for layer in layers]
    along = any(layer.recurrent or layer.kind.endswith(_ALONG_STEPS) for layer in layers)
    if "Embedding" in kinds or not own or None in own[1:] or (own == [None] and not along):
        check_input_shape(shape, kinds)
    if len(own) == 1:
        rows = (own[0], 1) if along else (1, own[0] or 1)
    else:
        rows = (own[0], math.prod(size or 1 for size in own[1:]))
    return SampleShape(rows, tuple(own))


def check_input_shape(shape: Shape, kinds: Sequence[str]) -> None:
    """Check the shape of a model's input.

    Args:
        shape: with the batch.
        kinds: names of the classes of its layers.

    Raises:
        ModelError: it is not (None, steps, features).
    """
    if len(shape) == 3 and all(shape[1:]):
        return
    if len(shape) == 3 and shape[2]:
        way_out = "a free number of steps is fixed by --steps"
    elif "Embedding" in kinds:
        way_out = (
            "an Embedding of whole numbers is not supported: look up its rows before the model, and export the layers "
            "after it as a separate model"
        )
    else:
        raise ModelError(
            f"takes inputs of shape {shape}, expected fixed sizes behind the steps; build the model with all sizes "
            "fixed except the number of steps"
        )
    raise ModelError(f"takes inputs of shape {shape}, expected (None, steps, features) with both fixed; {way_out}")


def check_answer_shape(shape: Shape) -> None:
    """Check the shape of a model's output, with the batch.

    Raises:
        ModelError: it is neither (None, outputs) nor (None, steps, outputs).
    """
    is_fixed = all(shape[1:])
    if is_fixed and len(shape) in (2, 3):
        return
    way_out = "end the model with a Dense layer"
    if is_fixed and len(shape) > 3:
        way_out = f"end the model with keras.layers.Reshape(({shape[1]}, {math.prod(size or 1 for size in shape[2:])}))"
    raise ModelError(f"answers with shape {shape}, expected (None, outputs) or (None, steps, outputs); {way_out}")


def check_layers(layers: Sequence[Sequence[LayerFacts]]) -> None:
    """Check the layers of a model.

    Args:
        layers: for each layer, its own facts and those of the layers inside it.

    Raises:
        ModelError: one is not supported; the message has its number and its name.
    """
    for number, parts in enumerate(layers, start=1):
        try:
            for part in parts:
                _check_layer(part)
            if not parts[0].recurrent:
                _check_cells_in_wrapper(parts)
        except ModelError as error:
            raise ModelError(f"layer {number} of {len(layers)}: {error}") from error


def _check_layer(layer: LayerFacts) -> None:
    if layer.masks_ids:
        raise ModelError(
            f"{layer.name!r} masks time steps by ids (mask_zero=True), which is not supported; build the model for "
            "embedded rows, with a Masking layer in place of the Embedding"
        )
    is_single = layer.recurrent and len(layer.cells) <= 1
    if layer.used_states - ({1} if is_single else set()):
        other = "a state other than its output h" if is_single else "its states"
        raise ModelError(
            f"{layer.name!r} passes on {other}, which is not supported; build the model to use the layer's output"
        )
    if not layer.recurrent:
        return
    if layer.kind == "RNN":
        check_cells(layer.cells, layer.name)
    else:
        check_kind(layer.kind, layer.name)
    if layer.initial_state:
        raise ModelError(f"{layer.name!r} gets initial states, which are not supported; build it to begin with zeros")


def _check_cells_in_wrapper(parts: Sequence[LayerFacts]) -> None:
    wrapper = parts[0].kind
    for part in parts:
        if len(part.cells) > 1:
            raise ModelError(
                f"{part.name!r} is an RNN of {len(part.cells)} cells in {wrapper}, which is not supported; build and "
                f"train a {wrapper} for each of these cells"
            )


def check_sample_shapes(samples: Samples, expected: Shape, own: Shape = ()) -> None:
    """Check that a model takes samples of this shape.

    Args:
        samples: to calibrate and to test with.
        expected: (steps, features) of the model; None fits any number.
        own: shape of the model's samples; empty if it is `expected`.

    Raises:
        DataError: it does not take them.
    """
    for name in ("x_calibration", "x_test"):
        check_sample_shape(getattr(samples, name).shape[1:], expected, samples.origin(name).name, samples.path, own=own)


def check_sample_shape(shape: tuple[int, ...], expected: Shape, name: str, path: str, own: Shape = ()) -> None:
    """Check that a model takes samples of this shape.

    Args:
        shape: (steps, features) of the samples.
        expected: (steps, features) of the model; None fits any number.
        name: of their array.
        path: of their file; empty if there is none.
        own: shape of the model's samples; empty if it is `expected`.

    Raises:
        DataError: it does not take them.
    """
    if not fits(shape, expected):
        where = name + (f" of {path}" if path and Path(path).name != name else "")
        raise DataError(
            f"{where}: samples of shape {shape} do not fit the model, which takes {_text(own or expected)}"
            + (f", as rows {_text(expected)}" if own else "")
            + f"; {_advise_on_shape(shape, expected, name)}"
        )


def check_calibration(samples: Samples, refine: bool | None) -> None:
    """Check that ranges can be measured on the calibration samples, and that they are enough to refine.

    Args:
        samples: to calibrate and to test with.
        refine: the user's choice.

    Raises:
        DataError: all values are equal, or there are too few samples to refine.
    """
    x = samples.x_calibration
    if x.min() == x.max():
        name = samples.origin("x_calibration").name
        raise DataError(f"{name}: all values of the calibration samples are {x.min():g}; pass real samples")
    if refine:
        check_refinable(len(x))


def check_refinable(samples: int) -> None:
    """Check that there are enough calibration samples to refine.

    Raises:
        DataError: there are not.
    """
    if samples < MIN_REFINE_SAMPLES:
        raise DataError(
            f"{samples} calibration samples, expected at least {MIN_REFINE_SAMPLES} to refine; leave out --refine"
        )


def _text(shape: Shape) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _advise_on_shape(shape: tuple[int, ...], expected: Shape, name: str) -> str:
    if fits(shape[::-1], expected):
        return f"{name}.transpose(0, 2, 1) has this shape"
    if fits(shape[1:], expected[1:]):
        return (
            f"give sequences of {expected[0]} steps (in a CSV file a blank line ends each), or export the model for "
            f"{shape[0]} with --steps {shape[0]}"
        )
    return f"give samples with the {expected[-1]} features that the model was trained on"
