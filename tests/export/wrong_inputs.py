"""Wrong inputs of every command, and the words that their answers must contain: found, expected, way out.

As a program, `wrong_inputs.py FOLDER` writes the files into a folder, gives each input to the command line, and prints
the answers and their processor time as JSON. TensorFlow and Keras cannot be imported there, and no child can start.
"""

import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np

STEPS, FEATURES, CLASSES, SAMPLES = 6, 3, 4, 120

Config = dict[str, Any]


@dataclass(frozen=True)
class Wrong:
    """A wrong input.

    Attributes:
        words: arguments of the command line.
        found, expected, way_out: texts that the error must contain; no way out if what is expected is one.
        exit_code: 1, or 2 for wrong usage.
        standard_input: text on standard input.
    """

    words: str
    found: str
    expected: str
    way_out: str = ""
    exit_code: int = 1
    standard_input: str = ""


def _layer(kind: str, name: str, module: str | None = "keras.layers", **options: Any) -> Config:
    registered = None if module == "keras.layers" else f"Custom>{kind}"
    dtype = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    config = {"name": name, "trainable": True, "dtype": dtype, **options}
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


def _input(*shape: int, name: str = "input") -> Config:
    return _layer("InputLayer", name, batch_shape=[None, *shape])


def _recurrent(kind: str = "SimpleRNN", **options: Any) -> Config:
    return _layer(kind, "the_rnn", **({"units": 8, "return_sequences": False, "activation": "tanh"} | options))


_HEAD = _layer("Dense", "head", units=CLASSES, activation="softmax")


def _model(kind: str, module: str = "keras", **config: Any) -> Config:
    registered = None if module == "keras" else f"Custom>{kind}"
    return {"module": module, "class_name": kind, "config": {"name": "m", **config}, "registered_name": registered}


def _sequential(*layers: Config, shape: Sequence[int] = (STEPS, FEATURES), head: Config = _HEAD) -> Config:
    return _model("Sequential", layers=[_input(*shape), *layers, head])


def _functional(layers: Sequence[Config], inputs: Sequence[str], outputs: Sequence[str]) -> Config:
    nodes = [{"inbound_nodes": [], "name": each["config"]["name"]} | each for each in layers]
    ends = {"input_layers": [[name, 0, 0] for name in inputs], "output_layers": [[name, 0, 0] for name in outputs]}
    return _model("Functional", layers=nodes, **ends)


def _tensor(layer: str, index: int = 0) -> Config:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, index]}}


def _called(layer: Config, on: str, index: int = 0, **arguments: Any) -> Config:
    return layer | {"inbound_nodes": [{"args": [_tensor(on, index)], "kwargs": arguments}]}


def _cell(kind: str, **options: Any) -> Config:
    return {"module": "keras.layers", "class_name": kind, "config": options, "registered_name": None}


_TWO = _cell("StackedRNNCells", cells=[_cell("GRUCell", units=8), _cell("LSTMCell", units=8)])


def _keras2(*layers: Config) -> Config:
    first = {"class_name": "InputLayer", "config": {"name": "input_1", "batch_input_shape": [None, STEPS, FEATURES]}}
    plain = [{"class_name": each["class_name"], "config": each["config"]} for each in (*layers, _HEAD)]
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [first, *plain]}}


_CODE = {"class_name": "__lambda__", "config": {"code": "…"}}
_MODELS: Mapping[str, tuple[Config, str]] = {
    name: (config, version)
    for version, configs in {
        "3.12.0": {
            "ok": _sequential(_recurrent()),
            "each_step": _sequential(_recurrent(return_sequences=True)),
            "masking": _sequential(_layer("Embedding", "the_mask", mask_zero=True), _recurrent()),
            "embedding": _sequential(_layer("Embedding", "words", input_dim=50), _recurrent(), shape=(STEPS,)),
            "unfixed": _sequential(_layer("GlobalAveragePooling2D", "pool"), shape=(STEPS, None, FEATURES)),
            "conv_lstm": _sequential(_recurrent("ConvLSTM1D", filters=2), shape=(STEPS, FEATURES)),
            "rnn_of_cell": _sequential(_recurrent("RNN", cell=_cell("OwnCell"))),
            "lambda": _sequential(_layer("Lambda", "doubled", function=_CODE), _recurrent()),
            "own_layer": _sequential(_layer("Attend", "attend", module="my.layers"), _recurrent()),
            "own_model": _model("Mine", module="__main__"),
            "in_both_ways": _sequential(_layer("Bidirectional", "both", layer=_recurrent("RNN", cell=_TWO))),
            "two_inputs": _functional(
                [_input(6, 3, name="a"), _input(3, name="b"), _called(_recurrent(), "a"), _called(_HEAD, "the_rnn")],
                inputs=("a", "b"),
                outputs=("head",),
            ),
            "two_outputs": _functional(
                [_input(6, 3), _called(_recurrent(), "input"), _called(_HEAD, "the_rnn")],
                inputs=("input",),
                outputs=("the_rnn", "head"),
            ),
            "initial_state": _functional(
                [_input(6, 3), _called(_recurrent(), "input", initial_state=[_tensor("x")]), _called(_HEAD, "the_rnn")],
                inputs=("input",),
                outputs=("head",),
            ),
            "state": _functional(
                [_input(6, 3), _called(_recurrent("LSTM", return_state=True), "input"), _called(_HEAD, "the_rnn", 2)],
                inputs=("input",),
                outputs=("head",),
            ),
        },
        "2.15.0": {
            "older_lambda": _keras2(_layer("Lambda", "doubled"), _recurrent()),
            "older_unknown": _keras2(_layer("RandomZoom", "zoom"), _recurrent()),
            "older_masking": _keras2(_layer("Embedding", "the_mask", mask_zero=True), _recurrent()),
        },
        "1.2.0": {"oldest": _keras2(_recurrent())},
    }.items()
    for name, config in configs.items()
}


def _save(path: Path, config: Config, version: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", b"")


def _arrays() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    x = rng.random((SAMPLES, STEPS, FEATURES), dtype=np.float32)
    y = np.arange(SAMPLES) * CLASSES // SAMPLES  # so that every other sample has all classes
    split = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    hole = x.copy()
    hole[5, 0, 0] = np.nan
    return {
        "ok": {"x": x, "y": y},
        "narrow": {"x": x[:, :, :2], "y": y},
        "short": {"x": x[:, :5], "y": y},
        "turned": {"x": x.transpose(0, 2, 1), "y": y},
        "hot": {"x": x, "y": np.eye(CLASSES)[y]},
        "float": {"x": x, "y": y.astype(float)},
        "half": {"x": x, "y": y / 2},
        "beyond": {"x": x, "y": y + 1},
        "wide": {"x": x, "y": np.zeros((SAMPLES, 7))},
        "fewer": {"x": x, "y": y[1:]},
        "only_y": {"y": y},
        "no_x_test": {"x_train": x, "y_train": y, "y_test": y},
        "two": {"a": x, "b": x},
        "hole": {"x": hole, "y": y},
        "flat": {"x": x[:, 0], "y": y},
        "zeros": {"x": 0 * x, "y": y},
        "names": {"x": x.astype(str), "y": y},
        "objects": {"x": np.array([[1], [2, 3]], object)},
        "three_names": {"x": x, "y": y, "labels": np.array(["a", "b", "c"])},
        "few": {"x": x[:12], "y": y[:12]},
        "train_unscaled": split | {"x_train": 255 * x},
        "train_hot": split | {"y_train": np.eye(CLASSES)[y]},
        "train_float": split | {"y_train": y.astype(float)},
        "train_gap": split | {"y_train": 2 * y},
        "train_narrow": split | {"x_test": x[:, :, :2]},
        "train_no_truth": {"x_train": x, "y_train": y, "x_test": x},
        "train_float_ok": split,
        "train_pixels": split | {name: (255 * x).astype(np.uint8) for name in ("x_train", "x_test")},
        "train_objects": split | {"x_train": np.array([[1], [2, 3]], object)},
    }


def write_files(folder: Path) -> None:
    """Write all files that the cases name into a folder."""
    for name, (config, version) in _MODELS.items():
        _save(folder / f"{name}.keras", config, version)
    for name, arrays in _arrays().items():
        np.savez(folder / f"{name}.npz", **arrays)
    texts = {
        "text.keras": "not a model",
        "empty.keras": "",
        "text.tflite": "not an artifact",
        "words.csv": "1,2,3\n1,two,3\n",
        "result.json": "{}",
        "broken.json": "{",
        "floor.toml": "[\n",
        "speed.toml": '["a.tflite"]\nspede = 3\n',
        "samples.mat": "MATLAB",
        "one.csv": "1,2,3\n",
        "there-float32.tflite": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("readme.txt", "")
    _save(folder / "there.keras", *_MODELS["ok"])
    _save(folder / "archive.h5", *_MODELS["ok"])
    with h5py.File(folder / "hdf5.keras", "w") as file:
        config, file.attrs["keras_version"] = _MODELS["ok"]
        file.attrs["model_config"] = json.dumps(config)
    with zipfile.ZipFile(folder / "no_json.keras", "w") as archive:
        archive.writestr("config.json", "{")
    for name in ("empty", "saved_model", "idx"):
        (folder / name).mkdir()
    (folder / "saved_model" / "saved_model.pb").touch()
    (folder / "idx" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(3) + b"\1" + bytes(8))
    import edgernn

    shutil.copy(Path(edgernn.__file__).parent / "samples" / "digits-int8.tflite", folder / "digits.tflite")


def _of_model(name: str, found: str, expected: str, way_out: str) -> Wrong:
    return Wrong(f"export {name}.keras --samples ok.npz --out out", found, expected, way_out)


def _of_samples(words: str, found: str, expected: str, way_out: str) -> Wrong:
    return Wrong(f"export ok.keras --out out --samples {words}", found, expected, way_out)


def _usage(words: str, found: str, expected: str, way_out: str = "") -> Wrong:
    return Wrong(words, found, expected, way_out, exit_code=2)


_USE_KERAS3 = "build the same model in Keras 3 from Keras's own layers"
_ANSWERS = "the model answers with shape (samples, 4)"

CASES: Sequence[Wrong] = (
    # Mistyped names and values of options.
    _usage("exprt ok.keras", "'exprt'", "No such command", "Did you mean 'export'?"),
    _usage("fly", "'fly'", "No such command", "expected one of demo, train, export"),
    _usage("export ok.keras --quantise int8", "'--quantise'", "No such option", "Did you mean '--quantize'?"),
    _usage("export ok.keras --quantize int9", "'int9'", "not one of float32, float16", "Did you mean 'int8'?"),
    _usage("export ok.keras --layout unroled", "'unroled'", "not one of unrolled, loop", "Did you mean 'unrolled'?"),
    _usage("export ok.keras --to onxx", "'onxx'", "not one of tflite, onnx", "Did you mean 'onnx'?"),
    _usage("export ok.keras --io int16", "'int16'", "not one of float32, int8", "Did you mean 'int8'?"),
    _usage("export ok.keras --for pi9", "'pi9'", "not one of pi5, pi4", "Did you mean 'pi5'?"),
    Wrong("export ok.keras --scale pixel", "scale 'pixel'", "expected pixels, or an .npz", "Did you mean 'pixels'?"),
    _usage("export ok.keras --min-agreement 2", "2.0", "not in the range 0<=x<=1"),
    _usage("export ok.keras --max-drop nan", "'nan'", "is not a number"),
    _usage("export ok.keras --steps 0", "0 is", "not in the range x>=1"),
    _usage("export ok.keras --all --to onnx", "--all", "every kind of artifact", "leave out --to"),
    Wrong("export ok.keras --to onnx --quantize float16", "'onnx'", "possible as onnx float32", "as tflite float16"),
    _usage("train --recipe robst", "'robst'", "not one of seed, robust", "Did you mean 'robust'?"),
    Wrong("export okk.keras --samples ok.npz", "okk.keras", "no such file or folder", "Did you mean 'ok.keras'?"),
    Wrong("train --data smaple", "smaple", "expected sample, mnist or a path", "Did you mean 'sample'?"),
    _usage("train --epochs 0", "0 is", "not in the range x>=1"),
    _usage("train --seed -1", "-1 is", "not in the range 0<=x<=4294967295"),
    _usage(
        "predict digits.tflite ok.npz --backend litrt", "'litrt'", "not one of native, litert", "Did you mean 'litert'?"
    ),
    _usage("compare ok.keras digits.tflite --for pi44", "'pi44'", "not one of pi5, pi4", "Did you mean 'pi4'?"),
    Wrong("bench digits.tflite --baseline digit.tflite", "'digit.tflite'", "expected one of", "Did you mean 'digits"),
    _usage("bench digits.tflite --rounds 0", "0 is", "not in the range 2<=x<=1000"),
    _usage("stream digits.tflite --every 0", "0 is", "not in the range x>=1"),
    _usage("info", "--backends", "expected either artifacts or"),
    # Models that are no Keras files.
    Wrong("export missing.keras", "no such file or folder", "expected a .keras or .h5 file", "or a run folder"),
    Wrong("export empty", "no model.keras in this folder", "expected a run folder", "`edgernn train` wrote"),
    Wrong("export saved_model", "a TensorFlow SavedModel", "expected a .keras or .h5", 'save("model.keras")'),
    Wrong("export digits.tflite", "'.tflite'", "expected .keras, .h5"),
    Wrong("export text.keras", "it starts with b'not a mo'", "expected a zip archive or HDF5"),
    Wrong("export empty.keras", "empty.keras", "the file is empty"),
    Wrong("export archive.h5", "the content is that of a .keras file", "of Keras 3", "rename it to archive.keras"),
    Wrong("export hdf5.keras", "the content is that of a .h5 file", "of Keras 3", "rename it to hdf5.h5"),
    Wrong("export zip.keras", "without config.json", "expected a model", "model.save(…) writes it"),
    Wrong("export no_json.keras", "line 1 column 2", "the configuration is not JSON", "the file is damaged"),
    # Models that are not supported.
    _of_model("masking", "'the_mask' masks time steps", "not supported", "a Masking layer"),
    _of_model("embedding", "inputs of shape (None, 6)", "expected (None, steps, features)", "look up its rows before"),
    _of_model("unfixed", "shape (None, 6, None, 3)", "expected fixed sizes behind the steps", "all sizes fixed"),
    _of_model("conv_lstm", "'the_rnn' is a ConvLSTM1D", "supported recurrent layers: SimpleRNN", "stacked or in Bidir"),
    _of_model("rnn_of_cell", "'the_rnn' is an RNN of OwnCell", "supported cells: SimpleRNNCell", "one or several in a"),
    _of_model(
        "in_both_ways", "layer 1 of 2: 'the_rnn' is an RNN of 2 cells", "not supported", "a Bidirectional for each"
    ),
    _of_model("lambda", "layer 'doubled' (Lambda)", "contains Python code", "replace it by a Keras layer"),
    _of_model("own_layer", "'attend' is of the class Attend", "not Keras's own", "build a functional or Sequential"),
    _of_model("own_model", "'m' is of the class Mine", "not Keras's own", "build a functional or Sequential"),
    _of_model("two_inputs", "2 inputs and 1 outputs", "expected one of each", "build a model of one input"),
    _of_model("two_outputs", "1 inputs and 2 outputs", "expected one of each", "keras.Model(model.input, model.out"),
    _of_model("initial_state", "'the_rnn' gets initial states", "not supported", "build it to begin with zeros"),
    _of_model("state", "'the_rnn' passes on a state other", "not supported", "use the layer's output"),
    _of_model("older_lambda", "'doubled' is a Lambda", "contains Python code", _USE_KERAS3),
    _of_model("older_unknown", "'zoom' is a RandomZoom", "does not read from Keras 2 files", _USE_KERAS3),
    _of_model("older_masking", "layer 1 of 3: 'the_mask'", "masks time steps", "a Masking layer"),
    _of_model("oldest", "written by Keras 1.2.0", "expected Keras 2 or 3", "load it with Keras 2.2 and save it again"),
    # Samples for an export.
    Wrong("export ok.keras", "no samples", "to prove and compare with", "pass --samples with real inputs"),
    Wrong("export there.keras --samples ok.npz --all", "there-float32.tflite", "already there", "--overwrite replaces"),
    _of_samples("missing.npz", "missing.npz", "no such file", ""),
    _of_samples("samples.mat", "'.mat'", "expected .npy, .npz", "or a picture where"),
    _of_samples("narrow.npz", "samples of shape (6, 2)", "takes (6, 3)", "give samples with the 3 features"),
    _of_samples("short.npz", "samples of shape (5, 3)", "takes (6, 3)", "with --steps 5"),
    _of_samples("ok.npz --steps 8", "samples of shape (6, 3)", "takes (8, 3)", "give sequences of 8 steps"),
    _of_samples("turned.npz", "samples of shape (3, 6)", "takes (6, 3)", "x.transpose(0, 2, 1)"),
    _of_samples("flat.npz", "x has shape (120, 3)", "expected (samples, steps, features)", "x[:, :, None]"),
    _of_samples("hot.npz", "y is one-hot", "each answer's class as a whole number", "y.argmax(axis=-1)"),
    _of_samples("float.npz", "floating-point numbers", "answers of shape (samples, 4)", "save y.astype(int)"),
    _of_samples("half.npz", "floating-point numbers", "of shape (samples, 4)", "expected class numbers or names"),
    _of_samples("beyond.npz", "is 4", "expected a class from 0 to 3", "subtract 1"),
    _of_samples("wide.npz", "y has shape (60, 7)", _ANSWERS, "expected a class for each answer"),
    _of_samples("fewer.npz", "y has shape (119,)", "expected (120, ...)", "120 samples in x"),
    _of_samples("only_y.npz", "contains y", "expected x, or x_train and x_test", "or a single array"),
    _of_samples("no_x_test.npz", "contains x_train, y_train, y_test", "x_test missing", "add it, or leave out"),
    _of_samples("two.npz", "contains a, b", "expected x, or x_train and x_test", "or a single array"),
    _of_samples("hole.npz", "x contains NaN or infinity", "first in sample 5", "remove or fill it in"),
    _of_samples("zeros.npz", "values of the calibration samples are 0", "all values", "pass real samples"),
    _of_samples("names.npz", "x has type <U32", "expected uint8 pixels or floating", "save x.astype('float32')"),
    _of_samples("objects.npz", "pickled Python objects", "expected numbers or text", "save array.astype(float)"),
    _of_samples("three_names.npz", "3 labels (a, b, c)", "expected 4 or none", "the array `labels`"),
    _of_samples(
        "ok.npz --labels a;b;c;d", "1 label (a;b;c;d, separated by no comma)", "expected 4 or none", "names all"
    ),
    _of_samples("ok.npz --labels a,b,c,d,e", "5 labels (a, b, c, d, e)", "expected 4 or none", "names all classes"),
    _of_samples("words.csv", "line 2 contains 'two'", "not a number", "expected 0.1,0.2,"),
    _of_samples("few.npz --refine", "12 calibration samples", "expected at least 20", "leave out --refine"),
    _of_samples("ok.npz --scale pixels", "x goes from 0.0", "scaled already", "omit the scale"),
    Wrong(
        "export each_step.keras --samples ok.npz --out out",
        "y has shape (60,)",
        "the model answers with shape (samples, 6, 4)",
        "whole numbers of shape (samples, 6)",
    ),
    # Data for a training.
    Wrong("train --data missing.npz", "no such file or folder", "expected sample, mnist or a path", ""),
    Wrong("train --data train_unscaled.npz", "254.877", "expected values in [0, 1]", "map the values"),
    Wrong("train --data train_hot.npz", "y_train is one-hot", "class as a whole number", "y_train.argmax(axis=-1)"),
    Wrong("train --data train_float.npz", "floating-point", "expected whole ones", "save y_train.astype(int)"),
    Wrong("train --data train_gap.npz", "4 different classes from 0 to 6", "expected each of 0, 1", "`labels`"),
    Wrong("train --data train_narrow.npz", "(6, 3), x_test of (6, 2)", "expected the same"),
    Wrong("train --data train_no_truth.npz", "contains x_train, y_train, x_test", "y_test missing"),
    Wrong("train --data train_objects.npz", "pickled Python", "expected numbers or text", "save array.astype(float)"),
    Wrong("train --data train_float_ok.npz --no-scale", "x_train is float32", "only uint8 pixels can be left"),
    Wrong("train --data train_pixels.npz --no-scale", "recipe robust", "unscaled pixels", "only recipe seed"),
    Wrong("train --data idx", "idx:", "no train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz"),
    Wrong("train --data words.csv", "'.csv'", "expected an .npz with x_train", "MNIST's four IDX files"),
    # Artifacts and their inputs.
    _usage("predict digits.tflite", "'INPUT...'", "Missing argument"),
    Wrong("predict missing.tflite ok.npz", "missing.tflite", "no such file"),
    Wrong("predict ok.keras ok.npz", "'.keras'", "expected .tflite or .onnx", "`edgernn export` makes one"),
    Wrong("predict text.tflite ok.npz", "found b'an a' at byte 4", "expected b'TFL3'"),
    Wrong("predict digits.tflite ok.npz", "shape (120, 6, 3)", "expected (28, 28) or (samples, 28, 28)"),
    Wrong("predict digits.tflite words.csv", "line 2 contains 'two'", "not a number", "expected 0.1,0.2,"),
    Wrong("predict digits.tflite samples.mat", "'.mat'", "expected .npy, .npz", "or a picture"),
    Wrong("predict digits.tflite ok.npz --backend onnxruntime", "onnxruntime", "reads .onnx files only"),
    Wrong("stream digits.tflite", "number 1 is 'one'", "expected a number", standard_input="one,2\n"),
    Wrong("stream missing.tflite", "missing.tflite", "no such file"),
    Wrong("info text.tflite", "found b'an a' at byte 4", "expected b'TFL3'"),
    Wrong("bench missing.tflite", "missing.tflite", "no such file"),
    Wrong("bench digits.tflite digits.tflite", "'digits.tflite'", "given twice", "give each artifact once"),
    Wrong("compact text.tflite", "at byte 4", "no identifier TFL3"),
    _usage("compact digits.tflite --out digits.bin", "digits.bin", "expected a name that ends with .tflite"),
    Wrong("compact digits.tflite --out digits.tflite", "digits.tflite", "exists already", "--overwrite replaces it"),
    # Comparisons and their results.
    Wrong("compare ok.keras", "no artifact of ok.keras", "give .tflite or .onnx files", "edgernn export ok.keras"),
    Wrong("compare digits.tflite digits.tflite", "an artifact", "is the Keras model", "edgernn bench digits.tflite"),
    Wrong("compare masking.keras digits.tflite", "'the_mask'", "masks time steps", "a Masking layer"),
    Wrong("compare ok.keras digits.tflite", "no samples", "to prove and compare with", "pass --samples"),
    Wrong("compare ok.keras digits.tflite --samples narrow.npz", "(6, 2)", "takes (6, 3)", "with the 3 features"),
    Wrong("compare ok.keras digits.tflite --samples hot.npz", "y is one-hot", "whole number", "y.argmax(axis=-1)"),
    Wrong("compare ok.keras digits.tflite --samples float.npz", "floating", "(samples, 4)", "save y.astype(int)"),
    _usage("compare ok.keras a.tflite --json b.tflite", "b.tflite", "ends with .json", "- for standard output"),
    Wrong("compare ok.keras a.tflite --floor floor.toml", "line 1, column 2", "cannot be read as TOML"),
    Wrong("compare ok.keras a.tflite --floor speed.toml", "'spede'", "expected one of accuracy", "speed"),
    Wrong("report missing.json", "missing.json", "no such file"),
    Wrong("report result.json", "not a result", "expected what", "`edgernn compare --json` write"),
    Wrong("report broken.json", "line 1 column 2", "cannot be read as JSON"),
)


class _Refusing(MetaPathFinder, Loader):
    """Finder that lets a program see whether TensorFlow and Keras are installed, but not import them."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.split(".")[0] in ("tensorflow", "keras") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        raise AssertionError(f"{spec.name} is imported")

    def exec_module(self, module: ModuleType) -> None:
        raise AssertionError(f"{module.__name__} is imported")


def _no_child(*_arguments: Any) -> None:
    raise AssertionError("a child process is started")


def _answer(invoke: Callable[..., Any], wrong: Wrong) -> dict[str, Any]:
    started = time.process_time()
    result = invoke(wrong.words.split(), wrong.standard_input)
    return {
        "exit_code": result.exit_code,
        "error": result.stderr,
        "raised": repr(result.exception),
        "cpu_s": time.process_time() - started,
    }


def main(folder: Path) -> None:
    """Answer every case in a folder."""
    sys.meta_path.insert(0, _Refusing())
    write_files(folder)
    os.chdir(folder)
    from click.testing import CliRunner

    from edgernn.cli import main as edgernn_main
    from edgernn.system import child

    child.Child.__init__ = _no_child  # type: ignore[assignment,method-assign]

    def invoke(words: Sequence[str], text: str) -> Any:
        return CliRunner().invoke(edgernn_main, list(words), prog_name="edgernn", input=text)

    answers = {wrong.words: _answer(invoke, wrong) for wrong in CASES}
    print(json.dumps(answers))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
