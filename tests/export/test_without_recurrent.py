"""Models without recurrent layers: convolutions, pooling and Dense alone, in their only layout."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgernn.errors import UnsupportedError
from edgernn.model import load_bytes
from edgernn_export.artifact import make_artifact
from edgernn_export.formats import plan_for
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target
from matrix.architectures import Architecture, layer
from matrix.building import original

SETTINGS = Settings(refine=False, max_drop=float("inf"), min_agreement=float("-inf"))
ARCHITECTURE = Architecture(
    (),
    front=(
        layer("Conv1D", filters=6, kernel_size=3, padding="causal", dilation_rate=2, activation="relu"),
        layer("MaxPooling1D", pool_size=2),
        layer("GlobalAveragePooling1D"),
    ),
    steps=12,
)


CAUSAL = replace(
    ARCHITECTURE,
    front=tuple(
        layer("Conv1D", filters=4, kernel_size=3, padding="causal", dilation_rate=rate, activation="relu")
        for rate in (1, 3)
    ),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(original(ARCHITECTURE, tmp_path_factory.mktemp("convolutions")), SETTINGS)


@pytest.mark.parametrize(
    ("target", "largest"),
    [
        (Target("tflite", "float32", "unrolled"), 1e-6),
        (Target("tflite", "int8", "unrolled"), 0.05),
        (Target("onnx", "float32", "operator"), 1e-6),
    ],
    ids=str,
)
def test_convolutions_with_pooling_are_proven_and_do_not_stream(source: Source, target: Target, largest: float) -> None:
    result = make_artifact(source, target)
    assert result.proof.difference <= largest
    assert "it cannot run on one row" in result.proof.no_stream
    card = load_bytes(Path(target.file_name("small")), result.data).card
    assert card is not None
    assert card.states == ()


def test_causal_convolutions_stream_with_the_bits_of_a_sequence(tmp_path: Path) -> None:
    source = Source(original(CAUSAL, tmp_path), SETTINGS)
    result = make_artifact(source, Target("tflite", "int8", "unrolled"))
    assert (result.proof.no_stream, result.proof.stream_difference) == ("", 0.0)
    assert result.proof.difference <= 0.05
    card = load_bytes(Path("small.tflite"), result.data).card
    assert card is not None
    # Two rows of three features, and six rows of four.
    assert card.states == ((6, "int8"), (24, "int8"))
    in_c = make_artifact(source, Target("c", "int8", "step"))
    assert in_c.proof.streamed
    assert (in_c.proof.stream_difference, in_c.proof.difference) == (0.0, result.proof.difference)


def test_the_only_layout_is_that_of_plain_file_names(source: Source) -> None:
    plan = plan_for(source)
    names = [target.file_name("m") for target in (*plan.targets, *plan.reserves)]
    assert names == [
        *("m-float32.tflite", "m-dynamic.tflite", "m-int8.tflite", "m-float32.onnx", "m-int8.onnx"),
        *("m-float16.tflite", "m-int16x8.tflite"),
    ]
    assert {target.layout for target in plan.left_out} == {"loop", "fused"}
    for target, reason in plan.left_out.items():
        with pytest.raises(UnsupportedError, match=reason):
            make_artifact(source, target)


def test_c_source_names_the_operator_that_it_lacks(source: Source) -> None:
    with pytest.raises(UnsupportedError, match="C source does not support operator Convolution of int8") as refused:
        make_artifact(source, Target("c", "int8", "step"))
    assert "--quantize float32" not in str(refused.value)


@pytest.mark.parametrize("quantization", ["int8", "float32"])
def test_c_source_of_dense_layers_takes_a_whole_sample_as_its_row(quantization: str, tmp_path: Path) -> None:
    behind = (layer("Flatten"), layer("Dense", units=8, activation="relu"))
    dense = Source(original(Architecture((), front=behind), tmp_path), SETTINGS)
    result = make_artifact(dense, Target("c", quantization, "step"))
    assert result.proof.difference <= (0.05 if quantization == "int8" else 1e-6)
    assert not result.proof.streamed
    header = dict(result.companions)[f"small-{quantization}.h"].decode()
    assert "_STEPS 1 " in header
    assert "_FEATURES 18 " in header
    assert "_OUTPUTS 4 " in header
