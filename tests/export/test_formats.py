"""The seam of formats: a made-up format is exported, proven, named and listed like ours."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import Mock

import numpy as np
import pytest

import edgernn
from edgernn.backends import BACKENDS
from edgernn.errors import ExportError, SettingError, UnsupportedError
from edgernn_export import Target, export, select_targets
from edgernn_export.artifact import make_artifact
from edgernn_export.formats import FORMATS, all_targets, default_targets
from edgernn_export.formats.base import Finished, Format
from edgernn_export.formats.tflite.compact import compact
from edgernn_export.proof import Tolerance
from edgernn_export.source import Source

ROOT = Path(__file__).parents[2] / "export" / "edgernn_export"
FILE = "small-float32-stock.tflite"


class StockFormat(Format):
    """Unrolled layers as TensorFlow's converter writes them, without a stream."""

    name = "stock"
    backend = "litert"
    suffix = ".tflite"
    defaults = (Target("stock", "float32", "stock"),)
    tolerances: ClassVar[Mapping[str, Tolerance]] = {"float32": FORMATS["tflite"].tolerances["float32"]}

    def convert(self, source: Source, target: Target, stream: bool) -> Finished:
        import tensorflow as tf

        model = source.load()
        # Variables would not be in the file.
        groups = (model.trainable_variables, model.non_trainable_variables)
        weights = [[np.asarray(each) for each in group] for group in groups]

        def answer(x: Any) -> Any:
            return model.stateless_call(*[[tf.constant(each) for each in group] for group in weights], x)[0]

        spec = tf.TensorSpec((1, *source.input_shape), tf.float32)
        function = tf.function(answer, input_signature=[spec]).get_concrete_function()
        data = tf.lite.TFLiteConverter.from_concrete_functions([function], model).convert()
        return Finished(lambda card: compact(data, metadata={"edgernn.card": card}))


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> StockFormat:
    made_up = StockFormat()
    monkeypatch.setitem(FORMATS, "stock", made_up)
    return made_up


@pytest.mark.usefixtures("in_process", "stock")
def test_a_made_up_format_is_exported_and_proven(
    save_model: Callable[..., Path], samples_file: Path, tmp_path: Path
) -> None:
    from keras import layers

    model = save_model([layers.SimpleRNN(5, unroll=True), layers.Dense(4, "softmax")])
    do_export = partial(export, model, tmp_path, samples=samples_file)
    (result,) = do_export(targets=select_targets(formats=["stock"]))
    assert (result.reason, result.status, result.path.name) == ("", "passed", FILE)
    artifact = edgernn.load(tmp_path / FILE)
    assert artifact.card is not None
    assert (artifact.card.layout, artifact.card.measured["agreement"]) == ("stock", 1)
    np.testing.assert_allclose(artifact.predict(np.zeros((6, 3), np.float32)).sum(), 1, atol=1e-5)


def test_a_backend_reads_the_files_of_every_format_that_is_made_without_a_choice() -> None:
    made = {each.suffix for each in FORMATS.values() if each.defaults}
    assert made <= {backend.suffix for backend in BACKENDS}


def test_a_made_up_format_is_selected_like_the_others(stock: StockFormat) -> None:
    assert set(stock.defaults) < set(default_targets()) < set(all_targets())
    assert stock.defaults[0] in select_targets(quantizations=["float32"])
    assert stock.defaults[0] not in select_targets(io_type="int8")
    with pytest.raises(SettingError, match=r"nothing to export for format 'stock' .* possible: tflite int8 unrolled"):
        select_targets(formats=["stock"], io_type="int8")


def test_only_a_formats_folder_compares_names_of_formats() -> None:
    outside = [path for path in ROOT.rglob("*.py") if not path.is_relative_to(ROOT / "formats")]
    found = [
        path.name for path in outside if re.search(r"""(format|\.name) (==|!=|in) ["'(]""", path.read_text("utf-8"))
    ]
    assert found == []


def test_no_format_imports_another() -> None:
    for name in FORMATS:
        others = "|".join(each for each in FORMATS if each != name)
        for path in (ROOT / "formats" / name).rglob("*.py"):
            assert not re.search(rf"formats\.({others})\b", path.read_text("utf-8")), path


def test_a_format_that_always_streams_keeps_the_reason_of_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_source: Source, _target: Target, stream: bool) -> Finished:
        if stream:
            raise ExportError("the compiler refuses the file")
        raise UnsupportedError("it answers row by row, which this model cannot")

    monkeypatch.setattr("edgernn_export.artifact.format_of", lambda _target: Mock(convert=fail))
    with pytest.raises(ExportError, match="the compiler refuses the file"):
        make_artifact(Mock(no_stream=""), Target("c", "int8", "step"))
    with pytest.raises(UnsupportedError, match="which this model cannot"):
        make_artifact(Mock(no_stream="it looks ahead"), Target("c", "int8", "step"))
