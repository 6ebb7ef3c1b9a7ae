from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result

import edgernn


def test_a_foreign_file_gets_smaller_and_answers_the_same(
    edgernn_command: Callable[..., Result], refused: Callable[..., str], tmp_path: Path
) -> None:
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(8, 8)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 8], tf.float32)])
    def chain(x: tf.Tensor) -> tf.Tensor:
        for _ in range(20):
            x = tf.tanh(x @ kernel)
        return x

    converter = tf.lite.TFLiteConverter.from_concrete_functions([chain.get_concrete_function()], tf.Module())
    foreign = tmp_path / "chain.tflite"
    foreign.write_bytes(converter.convert())
    result = edgernn_command("compact", foreign)
    assert result.exit_code == 0
    compacted = tmp_path / "chain-compact.tflite"
    assert compacted.stat().st_size < 0.8 * foreign.stat().st_size
    x = np.random.default_rng(1).random((10, 8), np.float32)
    before, after = (edgernn.load(path, unverified=True).predict(x) for path in (foreign, compacted))
    np.testing.assert_array_equal(before, after)
    assert "exists already" in refused("compact", foreign)
    wrong = refused("compact", foreign, "--out", tmp_path / "smaller.onnx", exit_code=2)
    assert "smaller.onnx, expected a name that ends with .tflite" in wrong
    named = tmp_path / "named.tflite"
    assert edgernn_command("compact", foreign, "--keep-names", "--out", named).exit_code == 0
    assert named.stat().st_size > compacted.stat().st_size


def test_an_artifact_stays_one(edgernn_command: Callable[..., Result], artifacts: Path, tmp_path: Path) -> None:
    artifact = artifacts / "digits-int8.tflite"
    again = tmp_path / "again.tflite"
    result = edgernn_command("compact", artifact, "--out", again)
    assert result.stdout.endswith(f" bytes; {artifact} was as small already\n")
    assert again.read_bytes() == artifact.read_bytes()


def test_what_is_no_tflite_file_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "noise.tflite").write_bytes(b"noise" * 100)
    assert "noise.tflite: not a .tflite file" in refused("compact", tmp_path / "noise.tflite")
    assert "no such file" in refused("compact", tmp_path / "missing.tflite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.tflite"]
