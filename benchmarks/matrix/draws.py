"""Drawing of architectures: first a fixed list that has each feature at least once, then random ones from a seed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from matrix.architectures import (
    BINARY,
    FORMS,
    FUNCTIONAL,
    HEADS,
    LOGITS,
    MERGE_MODES,
    MULTILABEL,
    NESTED,
    OF_CELLS,
    PRECISIONS,
    REBUILT,
    RECURRENT,
    RETURN_STATE,
    SEQUENTIAL,
    SOFTMAX,
    STATEFUL,
    VALUES,
    Architecture,
    LayerSpec,
    Option,
    layer,
)

# Keras's built-in activations, except glu, which halves the units, and threshold, which needs an argument.
ACTIVATIONS = (
    *("tanh", "sigmoid", "relu", "linear", "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid"),
    *("hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu6", "selu", "silu"),
    *("soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus"),
    *("tanh_shrink",),
)
# Activations of gates: some with values in 0 to 1, and some without.
GATE_ACTIVATIONS = ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "tanh", "hard_tanh", "softsign", "linear")

_RNN, _GRU, _LSTM = (layer(kind, units=5) for kind in RECURRENT)
_POOLED = layer("GlobalAveragePooling1D")
_MASK = layer("Masking", mask_value=-1.0)
_CONV = layer("Conv1D", filters=6, kernel_size=3, padding="causal", activation="relu")

# The first dozen is what `make test` runs: every cell, layout and kind of head, and the most frequent problems.
FIXED = (
    Architecture((_RNN,)),
    Architecture((_GRU,), behind=(layer("Dense", units=6, activation="relu"),), head=LOGITS, steps=9),
    Architecture((_LSTM,), head=BINARY, outputs=1, uniform=True),
    Architecture(
        (layer("GRU", units=4, reset_after=False), layer("SimpleRNN", units=5, activation="relu")),
        between=(layer("LayerNormalization"),),
        head=VALUES,
        outputs=2,
        steps=7,
    ),
    Architecture((layer("LSTM", "concat", units=4),), sequences=True, head=SOFTMAX, outputs=3),
    Architecture(
        (layer("GRU", units=4),),
        front=(
            layer("Conv1D", filters=4, kernel_size=3, padding="same", activation="relu"),
            layer("MaxPooling1D", pool_size=2),
        ),
        behind=(layer("BatchNormalization"),),
        steps=8,
    ),
    Architecture((_LSTM, layer("GRU", units=3)), sequences=True, head=MULTILABEL, outputs=3, form=FUNCTIONAL),
    Architecture((layer("SimpleRNN", "sum", units=5), _GRU), form=NESTED, head=LOGITS),
    Architecture((layer("LSTM", units=4, go_backwards=True, use_bias=False),), uniform=True, steps=11),
    Architecture((_GRU,), sequences=True, behind=(_POOLED,), head=VALUES, outputs=1),
    Architecture((layer("SimpleRNN", units=4, activation="gelu"), layer("LSTM", units=4, activation="softsign"))),
    Architecture(
        (layer("GRU", units=5, dropout=0.3, recurrent_dropout=0.2, recurrent_activation="hard_sigmoid"),),
        front=(layer("BatchNormalization"),),
        sequences=True,
        behind=(layer("Dense", time_distributed=True, units=4, activation="tanh"),),
    ),
    # Without recurrent layers: convolutions with pooling, a temporal convolution with dilation, Dense alone.
    Architecture(
        (),
        front=(
            *(_CONV, layer("MaxPooling1D", pool_size=2), layer("BatchNormalization")),
            *(layer("Conv1D", filters=5, kernel_size=3, padding="same", activation="relu"), _POOLED),
        ),
        steps=12,
    ),
    Architecture(
        (),
        front=tuple(
            layer("Conv1D", filters=6, kernel_size=3, padding="causal", dilation_rate=rate, activation="relu")
            for rate in (1, 2, 4)
        ),
        head=LOGITS,
        form=FUNCTIONAL,
        steps=16,
    ),
    Architecture((), front=(layer("Flatten"), layer("Dense", units=8, activation="relu")), head=BINARY, outputs=1),
    Architecture((), front=(layer("Dense", units=8, activation="tanh"),), head=VALUES, outputs=2),
    Architecture(
        (),
        front=(
            layer("SeparableConv1D", filters=6, kernel_size=3, padding="same", activation="relu"),
            layer("DepthwiseConv1D", kernel_size=3, padding="valid"),
            layer("GlobalMaxPooling1D"),
        ),
        head=MULTILABEL,
        outputs=3,
        steps=10,
    ),
    # Masked rows, at the end, in front and between.
    Architecture((_LSTM, _GRU), front=(_MASK,), sequences=True),
    Architecture((layer("GRU", "concat", units=4), layer("LSTM", "sum", units=3)), front=(_MASK,), head=LOGITS),
    Architecture((_RNN, _LSTM), front=(layer("Masking", mask_value=0.0), layer("Dense", units=4)), uniform=True),
    Architecture((layer("LSTM", units=4, go_backwards=True), _RNN), front=(_MASK,), steps=9),
    Architecture((_GRU,), front=(_MASK,), sequences=True, behind=(_POOLED,), head=VALUES, outputs=2),
    Architecture((_GRU,), front=(_MASK,), form=FUNCTIONAL),
    # Inputs of another shape: vectors, series, images, rows that arrive one by one.
    Architecture((), front=(layer("Dense", units=8, activation="relu"),), steps=1, features=10, own=(10,)),
    Architecture((_GRU,), front=(layer("Reshape", target_shape=(9, 1)),), steps=9, features=1, own=(9,)),
    Architecture((_LSTM,), front=(layer("Reshape", target_shape=(-1, 4)),), features=4, own=(6, 4, 1), head=LOGITS),
    Architecture(
        (),
        front=(
            *(layer("Conv2D", filters=4, kernel_size=3, activation="relu"), layer("MaxPooling2D", pool_size=2)),
            *(layer("BatchNormalization"), layer("Flatten")),
        ),
        steps=8,
        features=24,
        own=(8, 8, 3),
        uniform=True,
    ),
    # Causal convolutions in front of, between and behind recurrent layers, with dilation and a skip around them.
    Architecture(
        (_GRU, _LSTM),
        front=(layer("BatchNormalization"), _CONV),
        between=(layer("Conv1D", filters=4, kernel_size=3, padding="causal", dilation_rate=2),),
        steps=12,
    ),
    Architecture(
        (_RNN,),
        front=(layer("ZeroPadding1D", padding=(4, 0)), layer("DepthwiseConv1D", kernel_size=3, dilation_rate=2)),
        behind=(
            layer("ZeroPadding1D", padding=(2, 0)),
            layer("SeparableConv1D", filters=5, kernel_size=3, activation="relu"),
        ),
        sequences=True,
        form=FUNCTIONAL,
        steps=12,
    ),
    # Rebuilt of plain float32 layers, some with masked rows.
    *(Architecture((_LSTM, _GRU), rebuilt=each) for each in PRECISIONS),
    *(Architecture((_RNN,), rebuilt=each, head=VALUES, outputs=2) for each in PRECISIONS),
    Architecture((_GRU, _LSTM), rebuilt=STATEFUL, head=LOGITS),
    Architecture((_LSTM,), rebuilt=OF_CELLS, front=(_MASK,), sequences=True),
    Architecture((_RNN, _GRU, _LSTM), rebuilt=OF_CELLS, front=(_MASK,), sequences=True),
    Architecture((layer("GRU", "concat", units=4, reset_after=False),), rebuilt=OF_CELLS, form=NESTED),
    Architecture((_GRU, layer("LSTM", "sum", units=4)), rebuilt=RETURN_STATE, form=FUNCTIONAL),
    Architecture((_LSTM,), rebuilt=RETURN_STATE, form=FUNCTIONAL, sequences=True),
    # Bidirectional, with every merge mode.
    Architecture((layer("GRU", "mul", units=4),), head=MULTILABEL, outputs=2),
    Architecture((layer("LSTM", "ave", units=4), layer("LSTM", "sum", units=3)), head=LOGITS),
    Architecture((layer("SimpleRNN", "concat", units=4),), sequences=True, behind=(layer("GlobalMaxPooling1D"),)),
    Architecture((layer("GRU", "ave", units=3, reset_after=False),), sequences=True, head=BINARY, outputs=1),
    # An answer a step.
    Architecture((_RNN,), sequences=True, head=LOGITS),
    Architecture((_GRU, _GRU, _RNN), sequences=True, head=VALUES, outputs=2),
    Architecture((layer("LSTM", units=4, go_backwards=True),), sequences=True),
    # Extreme sizes.
    Architecture((layer("LSTM", units=1),), steps=1, features=1, outputs=2),
    Architecture((layer("GRU", units=17),), steps=30, features=9, outputs=7),
    Architecture((_RNN, _LSTM, _GRU, layer("SimpleRNN", units=2)), steps=5),
    Architecture((layer("GRU", units=1),), steps=1, sequences=True, head=VALUES, outputs=1),
    Architecture((layer("LSTM", units=6),), steps=128, features=2, uniform=True),
    # Options.
    Architecture((layer("GRU", units=4, use_bias=False),), head=LOGITS),
    Architecture((layer("GRU", units=4, use_bias=False, reset_after=False, go_backwards=True),)),
    Architecture((layer("SimpleRNN", units=4, use_bias=False, dropout=0.2, recurrent_dropout=0.2),)),
    Architecture((layer("LSTM", units=4, dropout=0.2, recurrent_dropout=0.2, unroll=True),)),
    Architecture((layer("SimpleRNN", units=4, go_backwards=True), _GRU), head=VALUES, outputs=3),
    # Activations of the fused operators.
    Architecture((layer("LSTM", units=4, activation="relu"), layer("LSTM", units=4, activation="relu6"))),
    Architecture((layer("SimpleRNN", units=4, activation="linear"), layer("SimpleRNN", units=4, activation="relu6"))),
    # Layers along the steps.
    Architecture((_LSTM,), sequences=True, behind=(layer("Flatten"),), head=LOGITS),
    Architecture((_RNN,), sequences=True, behind=(layer("AveragePooling1D", pool_size=2), layer("Flatten"))),
    Architecture((_GRU,), sequences=True, behind=(layer("MaxPooling1D", pool_size=2), layer("GlobalAveragePooling1D"))),
    Architecture((_LSTM,), sequences=True, behind=(layer("MaxPooling1D", pool_size=2),)),
    Architecture((_RNN,), front=(layer("Conv1D", filters=3, kernel_size=2, strides=2, padding="valid"),), steps=9),
    Architecture((_GRU,), front=(layer("Conv1D", filters=4, kernel_size=3, padding="causal"),), sequences=True),
    Architecture((_LSTM,), front=(layer("Conv1D", filters=4, kernel_size=1, activation="relu"),)),
    Architecture((_GRU,), front=(layer("AveragePooling1D", pool_size=2), layer("Dense", units=4, activation="tanh"))),
    Architecture((_RNN,), front=(layer("Reshape", target_shape=(3, 6)),)),
    Architecture((layer("GRU", units=6),), behind=(layer("Reshape", target_shape=(2, 3)), layer("Flatten"))),
    # Norms and the rest between and behind.
    Architecture((_GRU, _GRU), between=(layer("BatchNormalization"), layer("Dense", units=4, activation="relu"))),
    Architecture((_LSTM,), behind=(layer("LayerNormalization"), layer("Dropout", rate=0.3)), head=LOGITS),
    Architecture((_RNN,), front=(layer("LayerNormalization"),), head=VALUES, outputs=2),
    Architecture((_LSTM, _RNN), between=(layer("Dense", time_distributed=True, units=3),)),
    Architecture((_RNN, _GRU), between=(layer("Dropout", rate=0.3), layer("Conv1D", filters=4, kernel_size=3))),
    # Forms.
    Architecture((_LSTM,), form=FUNCTIONAL),
    Architecture((layer("GRU", "concat", units=3), _LSTM), form=FUNCTIONAL, head=LOGITS),
    Architecture((_GRU, _LSTM), sequences=True, form=NESTED, front=(layer("Dense", units=4),)),
    # Every activation, each in a model of one layer.
    *(
        Architecture((layer(kind, units=4, activation=name),), uniform=name == "exponential", seed=index)
        for index, name in enumerate(ACTIVATIONS)
        for kind in ("GRU", ("SimpleRNN", "LSTM")[index % 2])
    ),
    *(
        Architecture((layer(kind, units=4, recurrent_activation=name),))
        for name in GATE_ACTIVATIONS
        for kind in ("GRU", "LSTM")
        if name != "sigmoid"
    ),
    *(Architecture((_RNN,), behind=(layer("Dense", units=4, activation=name),)) for name in ACTIVATIONS),
)


def draw(number: int) -> Architecture:
    """Return the architecture of a number: from the fixed list, behind its end a random one with that seed."""
    return FIXED[number] if number < len(FIXED) else _with_own_shape(_random(number))


def _random(seed: int) -> Architecture:
    if np.random.default_rng((seed, 2)).random() < _WITHOUT_RECURRENT:
        return _random_without_recurrent(np.random.default_rng((seed, 3)), seed)
    rng = np.random.default_rng(seed)
    form = _pick(rng, FORMS, (0.6, 0.25, 0.15))
    sequences = rng.random() < 0.5
    head = _pick(rng, HEADS)
    steps = int(rng.integers(4, 25))
    drawn = Architecture(
        recurrent=tuple(_random_recurrent(rng) for _ in range(rng.integers(1, 4))),
        front=_some(rng, 0.35, _FRONT),
        between=_some(rng, 0.3, _BETWEEN),
        behind=(*_some(rng, 0.5, _ALONG if sequences else ()), *_some(rng, 0.4, _BEHIND)),
        sequences=sequences,
        head=head,
        outputs=1 if head == BINARY else int(rng.integers(2, 8)),
        form=form,
        rebuilt=_random_rebuilt(np.random.default_rng((seed, 5)), form),
        steps=steps,
        features=int(rng.integers(1, 10)),
        uniform=bool(rng.random() < 0.5),
        seed=seed,
    )
    # Nested models and most layers along the steps drop a mask, and Keras warns of it.
    plain = not drawn.front and drawn.form == SEQUENTIAL and not set(drawn.behind) & set(_ALONG)
    masked = plain and np.random.default_rng((seed, 4)).random() < _MASKED
    return replace(drawn, front=(_MASK,)) if masked else drawn


def _random_rebuilt(rng: np.random.Generator, form: str) -> str:
    if rng.random() >= _REBUILT:
        return ""
    return _pick(rng, tuple(each for each in REBUILT if each != RETURN_STATE or form == FUNCTIONAL))


def _random_without_recurrent(rng: np.random.Generator, seed: int) -> Architecture:
    head = _pick(rng, HEADS)
    return Architecture(
        (),
        front=(
            *(_ALONE[rng.integers(len(_ALONE))] for _ in range(rng.integers(1, 4))),
            *_some(rng, 0.5, _POOLS),
            *_some(rng, 0.7, (_POOLED, layer("GlobalMaxPooling1D"), layer("Flatten"))),
            *_some(rng, 0.4, _BEHIND),
        ),
        head=head,
        outputs=1 if head == BINARY else int(rng.integers(2, 8)),
        form=_pick(rng, FORMS, (0.6, 0.25, 0.15)),
        steps=int(rng.integers(8, 25)),
        features=int(rng.integers(1, 10)),
        uniform=bool(rng.random() < 0.5),
        seed=seed,
    )


# Share of the random models that could have a Masking layer, and do.
_MASKED = 0.4
# Share of the random models with recurrent layers that are rebuilt.
_REBUILT = 0.2


def _with_own_shape(architecture: Architecture) -> Architecture:
    """Return some random models with samples of a third axis, behind a layer that makes rows of them."""
    if np.random.default_rng((architecture.seed, 6)).random() >= _WITH_OWN_SHAPE:
        return architecture
    steps, features = architecture.steps, architecture.features
    rows = layer("Reshape", target_shape=(-1, features))
    return replace(architecture, own=(steps, features, 1), front=(rows, *architecture.front))


# Share of the random models whose samples are not (steps, features).
_WITH_OWN_SHAPE = 0.1
# Share of the random models that have no recurrent layer.
_WITHOUT_RECURRENT = 0.15
_NORMS = (layer("BatchNormalization"), layer("LayerNormalization"))
_POOLS = (layer("AveragePooling1D", pool_size=2), layer("MaxPooling1D", pool_size=2))
_DROPOUT = layer("Dropout", rate=0.2)
_FRONT = (
    layer("Dense", units=4, activation="relu"),
    layer("Conv1D", filters=4, kernel_size=3, padding="same", activation="relu"),
    layer("Conv1D", filters=3, kernel_size=2, padding="causal"),
    *reversed(_POOLS),
    *_NORMS,
)
_ALONE = (
    *(_CONV, layer("Conv1D", filters=5, kernel_size=3, padding="same"), layer("Conv1D", filters=4, kernel_size=2)),
    layer("Conv1D", filters=6, kernel_size=3, padding="causal", dilation_rate=2, activation="relu"),
    layer("SeparableConv1D", filters=5, kernel_size=3, padding="same", activation="relu"),
    layer("DepthwiseConv1D", kernel_size=3, padding="same", activation="tanh"),
    layer("Dense", units=6, activation="relu"),
    *_NORMS,
)
_BETWEEN = (
    *(layer("Dense", units=4, activation="tanh"), layer("Dense", units=5, time_distributed=True)),
    layer("Conv1D", filters=4, kernel_size=2, padding="causal", dilation_rate=3, activation="relu"),
    *(_DROPOUT, *_NORMS),
)
_ALONG = (layer("GlobalAveragePooling1D"), layer("GlobalMaxPooling1D"), layer("Flatten"), *_POOLS)
_BEHIND = (
    *(layer("Dense", units=6, activation="relu"), layer("Dense", units=5, activation="gelu")),
    *(*_NORMS, _DROPOUT),
)


# Options, each with the share of layers that have it.
_OPTIONS: Mapping[str, tuple[Option, float]] = {
    "use_bias": (False, 0.2),
    "dropout": (0.2, 0.1),
    "recurrent_dropout": (0.2, 0.1),
}
# In stacks, exponentials overflow, and unbounded gates multiply large values with large values.
_TAME = tuple(name for name in ACTIVATIONS if name != "exponential")
_TAME_GATES = tuple(name for name in GATE_ACTIVATIONS if name != "linear")


def _some(rng: np.random.Generator, share: float, layers: tuple[LayerSpec, ...]) -> tuple[LayerSpec, ...]:
    """Return one of these layers with a probability of `share`, otherwise none."""
    return (layers[rng.integers(len(layers))],) if layers and rng.random() < share else ()


def _random_recurrent(rng: np.random.Generator) -> LayerSpec:
    kind = _pick(rng, RECURRENT)
    options: dict[str, Option] = {"units": int(rng.integers(1, 13))}
    if kind == "GRU" and rng.random() < 0.4:
        options["reset_after"] = False
    if rng.random() < 0.3:
        options["activation"] = _pick(rng, _TAME)
    if kind != "SimpleRNN" and rng.random() < 0.2:
        options["recurrent_activation"] = _pick(rng, _TAME_GATES)
    merge_mode = _pick(rng, MERGE_MODES) if rng.random() < 0.2 else ""
    if not merge_mode and rng.random() < 0.15:
        options["go_backwards"] = True
    options |= {option: value for option, (value, share) in _OPTIONS.items() if rng.random() < share}
    return LayerSpec(kind, tuple(options.items()), merge_mode)


def _pick(rng: np.random.Generator, values: tuple[str, ...], shares: tuple[float, ...] | None = None) -> str:
    return values[rng.choice(len(values), p=shares)]
