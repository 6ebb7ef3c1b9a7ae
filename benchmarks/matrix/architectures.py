"""An architecture as data: a model's layers, its description, and whether it can stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Option = str | int | float | bool | tuple[int, ...]

RECURRENT = ("SimpleRNN", "GRU", "LSTM")
# Heads, by their kind of answers.
SOFTMAX, BINARY, MULTILABEL, LOGITS, VALUES = HEADS = ("softmax", "binary", "multilabel", "logits", "values")
SEQUENTIAL, FUNCTIONAL, NESTED = FORMS = ("Sequential", "functional with a skip connection", "nested")
# Models that are rebuilt of plain float32 layers, by the name of what is replaced.
STATEFUL, OF_CELLS, RETURN_STATE = "stateful=True with a batch size of 8", "RNN of cells", "return_state=True"
PRECISIONS = ("float16", "float64", "mixed_float16", "mixed_bfloat16")
REBUILT = (*PRECISIONS, STATEFUL, OF_CELLS, RETURN_STATE)
MERGE_MODES = ("concat", "sum", "mul", "ave")

# Layers that see more than one step, so that a model with them cannot answer after each step, unless they are causal.
_ALONG_THE_STEPS = (
    *("GlobalAveragePooling1D", "GlobalMaxPooling1D", "AveragePooling1D", "MaxPooling1D", "Flatten", "Reshape"),
    *("Conv1D", "DepthwiseConv1D", "SeparableConv1D", "ZeroPadding1D", "Conv2D", "MaxPooling2D"),
)


@dataclass(frozen=True)
class LayerSpec:
    """A Keras layer.

    Attributes:
        kind: the class's name in `keras.layers`.
        options: its keyword arguments.
        merge_mode: merge mode of the Bidirectional around it; empty without one.
        time_distributed: whether it is inside a TimeDistributed.
    """

    kind: str
    options: tuple[tuple[str, Option], ...] = ()
    merge_mode: str = ""
    time_distributed: bool = False

    def __str__(self) -> str:
        text = f"{self.kind}({', '.join(f'{name}={value}' for name, value in self.options)})"
        if self.merge_mode:
            return f"Bidirectional({text}, {self.merge_mode})"
        return f"TimeDistributed({text})" if self.time_distributed else text

    def option(self, name: str, default: Option) -> Option:
        """Return an option's value, or the default."""
        return dict(self.options).get(name, default)


def layer(kind: str, merge_mode: str = "", time_distributed: bool = False, **options: Option) -> LayerSpec:
    """Make a layer with these options."""
    return LayerSpec(
        kind=kind, options=tuple(options.items()), merge_mode=merge_mode, time_distributed=time_distributed
    )


@dataclass(frozen=True)
class Architecture:
    """A model, and the kind of its test inputs.

    Attributes:
        recurrent: its recurrent layers, in order; none in a model of `front` and the head alone.
        front, behind: the layers in front of them and behind them, except the head.
        between: the layers between each two of them.
        sequences: whether the last recurrent layer returns its output of every step.
        head: one of `HEADS`.
        outputs: number of outputs of the head.
        form: one of `FORMS`.
        rebuilt: one of `REBUILT`; empty for plain layers. Only functional models have `RETURN_STATE`.
        steps, features: shape of a sample.
        own: shape of a sample as the model takes it; empty if it is (steps, features).
        uniform: whether inputs are uniform in 0 to 1; otherwise they are normally distributed.
        seed: seed of the weights and of the samples.
    """

    recurrent: tuple[LayerSpec, ...]
    front: tuple[LayerSpec, ...] = ()
    between: tuple[LayerSpec, ...] = ()
    behind: tuple[LayerSpec, ...] = ()
    sequences: bool = False
    head: str = SOFTMAX
    outputs: int = 4
    form: str = SEQUENTIAL
    rebuilt: str = ""
    steps: int = 6
    features: int = 3
    own: tuple[int, ...] = ()
    uniform: bool = False
    seed: int = 0

    def __str__(self) -> str:
        between = f" -{', '.join(map(str, self.between))}- " if self.between else ", "
        recurrent = [between.join(map(str, self.recurrent)) + (" every step" if self.sequences else "")]
        parts = [
            *map(str, self.front),
            *(recurrent if self.recurrent else ()),
            *map(str, self.behind),
            f"{self.head}({self.outputs})",
        ]
        form = "".join(f"{each}, " for each in (self.form, self.rebuilt) if each not in (SEQUENTIAL, ""))
        inputs = "uniform" if self.uniform else "normal"
        return f"{form}{inputs} {list(self.own) or [self.steps, self.features]}: {', '.join(parts)}; seed {self.seed}"

    @property
    def causal(self) -> bool:
        """True if states are all it must keep of earlier steps, so that it can stream."""
        forward = not any(each.merge_mode or each.option("go_backwards", False) for each in self.recurrent)
        places = [list(_without_causal(each)) for each in (self.front, self.between, self._behind_every_step)]
        if not self.recurrent and list(self.front) == places[0]:
            return False  # nothing has states
        layers = [each for place in places for each in place if not self._makes_rows(each)]
        return forward and not any(map(_looks_along, layers))

    def _makes_rows(self, each: LayerSpec) -> bool:
        """Return True for the layer that makes rows of samples of the model's own shape."""
        rows = ((self.steps, self.features), (-1, self.features))
        return bool(self.own) and each.kind == "Reshape" and each.option("target_shape", ()) in rows

    @property
    def mask_value(self) -> float | None:
        """The number that fills masked rows; None without a Masking layer."""
        values = [each.option("mask_value", 0.0) for each in self.front if each.kind == "Masking"]
        return float(str(values[0])) if values else None

    @property
    def _behind_every_step(self) -> tuple[LayerSpec, ...]:
        """The layers behind that receive all steps."""
        return self.behind if self.sequences else ()


def _without_causal(layers: Sequence[LayerSpec]) -> Iterator[LayerSpec]:
    """Yield the layers except causal convolutions; some are a ZeroPadding1D with a convolution behind it."""
    left = list(layers)
    while left:
        each = left.pop(0)
        if each.kind == "ZeroPadding1D" and left and each.option("padding", 1) == (_rows_looked_back(left[0]), 0):
            left.pop(0)
        elif each.option("padding", "valid") != "causal" or each.option("strides", 1) != 1:
            yield each


def _rows_looked_back(each: LayerSpec) -> int:
    dilation, size = each.option("dilation_rate", 1), each.option("kernel_size", 1)
    return dilation * (size - 1) if isinstance(dilation, int) and isinstance(size, int) else 0


def can_stack_cells(architecture: Architecture) -> bool:
    """Return True if one RNN of several cells computes the same as the recurrent layers."""
    first, *rest = architecture.recurrent
    turned = any(each.option("go_backwards", False) for each in rest)
    return bool(rest) and not (architecture.between or turned or any(each.merge_mode for each in (first, *rest)))


def _looks_along(each: LayerSpec) -> bool:
    return each.kind in _ALONG_THE_STEPS and each.option("kernel_size", 0) != 1


def traits(architecture: Architecture) -> list[str]:
    """Return the model's properties that may be unsupported, named as the rows of the page; each once."""
    found = [trait for each in architecture.recurrent for trait in _recurrent_traits(each)]
    if len(architecture.recurrent) > 1:
        found.append("stacked")
    if not architecture.recurrent:
        found.append("no recurrent layer")
    if axes := len(architecture.own):
        found.append(f"input of {axes} {'axis' if axes == 1 else 'axes'}")
    in_front = "in front" if architecture.recurrent else "alone"
    places = ((in_front, architecture.front), ("between", architecture.between), ("behind", architecture.behind))
    found += [f"{_kind(each)} {place}" for place, layers in places for each in layers]
    found += [
        f"Dense activation={each.option('activation', 'linear')}"
        for each in (*architecture.front, *architecture.between, *architecture.behind)
        if each.kind == "Dense" and each.option("activation", "linear") != "linear"
    ]
    every_step = architecture.sequences or not (architecture.recurrent or architecture.own)
    per_step = every_step and not any(
        each.kind.startswith("Global") or each.kind == "Flatten" for each in (*architecture.front, *architecture.behind)
    )
    found.append("an answer a step" if per_step else "one answer")
    found += [f"head {architecture.head}", architecture.form]
    if architecture.rebuilt:
        found.append(architecture.rebuilt)
    return list(dict.fromkeys(found))


def _kind(each: LayerSpec) -> str:
    return f"TimeDistributed({each.kind})" if each.time_distributed else each.kind


def _recurrent_traits(each: LayerSpec) -> Iterator[str]:
    yield f"{each.kind} reset_after=False" if not each.option("reset_after", True) else each.kind
    if each.merge_mode:
        yield f"Bidirectional {each.merge_mode}"
    for name, value in each.options:
        if name in ("activation", "recurrent_activation"):
            yield f"{name}={value}"
        elif name in ("go_backwards", "unroll") and value:
            yield name
        elif name == "use_bias" and not value:
            yield "use_bias=False"
        elif name in ("dropout", "recurrent_dropout") and value:
            yield name
