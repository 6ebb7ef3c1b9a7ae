"""Causal padding: the layers that put rows of zeros in front of the time steps, and the same layers row by row.

Keras pads a causal Conv1D in front of its steps. No other layer pads causally, so a causal DepthwiseConv1D or
SeparableConv1D has a ZeroPadding1D in front. Row by row, the rows of earlier steps take the place of the zeros.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# From x [batch, steps, features] to the rows in front of it and x, joined along the steps.
LookBack = Callable[[Any], Any]


@dataclass(frozen=True)
class CausalPadding:
    """A layer that pads the time steps in front.

    Attributes:
        layer: the Keras layer.
        rows: number of rows that it puts in front.
        features: number of values in a row.
    """

    layer: Any
    rows: int
    features: int

    def rebind(self, look_back: LookBack) -> None:
        """Replace the call of the layer: take the rows of earlier steps instead of zeros."""
        import keras

        original = None
        if isinstance(self.layer, keras.layers.Conv1D):
            self.layer.padding, original = "valid", self.layer.call

        def call(x: Any) -> Any:
            joined = look_back(x)
            return joined if original is None else original(joined)

        self.layer.call = call


def causal_paddings(model: Any) -> list[CausalPadding]:
    """Return all layers that pad the time steps in front, including nested ones, in the order of the model."""
    return [
        CausalPadding(layer, rows, int(layer._inbound_nodes[0].input_tensors[0].shape[-1]))
        for layer in model._flatten_layers()
        # A layer without a node is called inside another layer, as TimeDistributed, not on the model's time steps.
        if (rows := _rows_in_front(layer)) and layer._inbound_nodes
    ]


def _rows_in_front(layer: Any) -> int:
    """Return the number of rows that a layer puts in front of the time steps; 0 if it pads in another way."""
    import keras

    if getattr(layer, "data_format", None) != "channels_last":
        return 0
    if isinstance(layer, keras.layers.Conv1D) and layer.padding == "causal" and tuple(layer.strides) == (1,):
        return _rows_looked_back(layer)
    if isinstance(layer, keras.layers.ZeroPadding1D):
        front, behind = layer.padding
        return int(front) if not behind else 0
    return 0


def advise_on_padding(model: Any) -> str:
    """Find the padding with which the first convolution that looks ahead would stream.

    Returns:
        The end of a message about a model that does not stream; empty if no convolution looks ahead.
    """
    import keras

    kinds = (keras.layers.Conv1D, keras.layers.DepthwiseConv1D, keras.layers.SeparableConv1D)
    # Behind a ZeroPadding1D, padding="valid" may be causal.
    is_padded = any(isinstance(padding.layer, keras.layers.ZeroPadding1D) for padding in causal_paddings(model))
    wrong = ("same",) if is_padded else ("same", "valid")
    for layer in model._flatten_layers():
        if not isinstance(layer, kinds) or layer.padding not in wrong or not layer._inbound_nodes:
            continue
        if tuple(layer.strides) == (1,) and (rows := _rows_looked_back(layer)):
            causal = isinstance(layer, keras.layers.Conv1D)
            other = "padding='causal'" if causal else f"ZeroPadding1D(({rows}, 0)) in front of it and padding='valid'"
            return f"; layer {layer.name!r} has padding={layer.padding!r}; it would stream with {other}"
    return ""


def _rows_looked_back(layer: Any) -> int:
    """Return the number of earlier rows that a convolution takes at each time step."""
    return int(layer.dilation_rate[0] * (layer.kernel_size[0] - 1))
