"""Every artifact of many models, drawn from a seed, compared with Keras by the tolerances of `matrix.tolerances`.

`make test` checks a dozen models, `make test-models N=500` any number.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program import comparing

from edgernn.arrays import Float32
from edgernn.errors import UnsupportedError
from edgernn_export.targets import RUNTIME_TARGETS, Target
from matrix.architectures import BINARY, FUNCTIONAL, HEADS, MERGE_MODES, RECURRENT, SEQUENTIAL, Architecture, LayerSpec
from matrix.checking import look, look_at, problems
from matrix.draws import ACTIVATIONS, GATE_ACTIVATIONS
from matrix.refused import REFUSED, refusal

MODELS = int(os.environ.get("EDGERNN_MODELS", "12"))
SMALL = int(os.environ.get("EDGERNN_SMALL_MODELS", str(max(4, MODELS // 4))))
# Operators that programs lack: a sequence or a step in one operator, sparsemax, depthwise convolutions, and integers
# that no kernel measures.
WITHOUT_PROGRAM = (
    "UNIDIRECTIONAL_SEQUENCE_",
    "ZEROS_LIKE",
    "TOPK_V2",
    "a depthwise convolution",
    "of int8",
    "quotient",
)
FLOAT32 = tuple(target for target in RUNTIME_TARGETS if target.quantization == "float32" and target.layout != "fused")


def program_faults(target: Target, data: bytes, x: Float32) -> Iterator[str]:
    """Yield where the program read from a .tflite file differs from LiteRT; other formats have no program."""
    if target.format == "tflite" and target.quantization in ("float32", "int8"):
        try:
            yield from comparing.faults(data, x)
        except UnsupportedError as error:
            if not any(each in str(error) for each in WITHOUT_PROGRAM):
                yield f"no program: {error}"


@pytest.mark.parametrize("number", range(MODELS))
def test_every_artifact_answers_as_keras_and_streams_as_it_answers(number: int) -> None:
    result = look_at(number, program_faults)
    assert not list(problems(result)), f"{number}: {result.architecture}"


@st.composite
def small_models(draw: Callable[..., Any]) -> Architecture:
    """Draw a small model; simple options come first, because failing examples shrink towards them."""
    sequences = draw(st.booleans())
    head = draw(st.sampled_from(HEADS))
    kinds = ("Dense", "BatchNormalization", "LayerNormalization")
    return Architecture(
        recurrent=tuple(draw(st.lists(small_layers(), min_size=1, max_size=3))),
        front=_layers(draw(st.sampled_from(("", *kinds)))),
        between=_layers(draw(st.sampled_from(("", *kinds)))),
        behind=_layers(draw(st.sampled_from(("", "GlobalAveragePooling1D", "Flatten") if sequences else ("", *kinds)))),
        sequences=sequences,
        head=head,
        outputs=1 if head == BINARY else draw(st.integers(2, 4)),
        form=draw(st.sampled_from((SEQUENTIAL, FUNCTIONAL))),
        steps=draw(st.integers(1, 6)),
        features=draw(st.integers(1, 4)),
        seed=draw(st.integers(0, 9)),
    )


@st.composite
def small_layers(draw: Callable[..., Any]) -> LayerSpec:
    kind = draw(st.sampled_from(RECURRENT))
    options: dict[str, Any] = {"units": draw(st.integers(1, 4))}
    tame = [name for name in ACTIVATIONS if name != "exponential"]
    choices: dict[str, Sequence[Any]] = {
        "activation": ["tanh", *tame],
        "use_bias": [True, False],
    }
    merge_mode = draw(st.sampled_from(("", *MERGE_MODES)))
    if not merge_mode:
        choices["go_backwards"] = [False, True]  # not possible inside a Bidirectional
    if kind != "SimpleRNN":
        choices["recurrent_activation"] = GATE_ACTIVATIONS
    if kind == "GRU":
        choices["reset_after"] = [True, False]
    for name, values in choices.items():
        value = draw(st.sampled_from(values))
        if value != values[0]:
            options[name] = value
    return LayerSpec(kind, tuple(options.items()), merge_mode)


def _layers(kind: str) -> tuple[LayerSpec, ...]:
    options = {"Dense": (("units", 3), ("activation", "relu"))}
    return (LayerSpec(kind, options.get(kind, ())),) if kind else ()


# Each takes seconds, most of them in TensorFlow.
@settings(max_examples=SMALL, deadline=None, derandomize=MODELS <= 12, suppress_health_check=list(HealthCheck))
@given(small_models())
def test_small_models_in_float32(architecture: Architecture) -> None:
    assert not list(problems(look(architecture, FLOAT32)))


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_not_supported_is_refused_by_name(name: str) -> None:
    message = refusal(name)
    for word in REFUSED[name].words:
        assert word in message
