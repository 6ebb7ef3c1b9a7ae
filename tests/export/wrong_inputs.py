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

import numpy as np

STEPS, FEATURES, CLASSES, SAMPLES = 6, 3, 4, 120

Config = dict[str, Any]


@dataclass(frozen=True)
class Wrong:
    """A wrong input.

    Attributes:
        words: arguments of the command line.
        answers: texts that the error must contain.
        exit_code: 1, or 2 for wrong usage.
        standard_input: text on standard input.
    """

    words: str
    answers: tuple[str, ...]
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


def _tensor(layer: str) -> Config:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}


def _called(layer: Config, on: str, **arguments: Any) -> Config:
    return layer | {"inbound_nodes": [{"args": [_tensor(on)], "kwargs": arguments}]}


def _half(layer: Config) -> Config:
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    return layer | {"config": layer["config"] | {"dtype": policy}}


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
            "masking": _sequential(_layer("Masking", "the_mask", mask_value=0.0), _recurrent()),
            "embedding": _sequential(_layer("Embedding", "words", input_dim=50), _recurrent(), shape=(STEPS,)),
            "flat": _sequential(_layer("Flatten", "flat")),
            "conv_lstm": _sequential(_recurrent("ConvLSTM1D", filters=2), shape=(STEPS, FEATURES)),
            "rnn_of_cell": _sequential(_recurrent("RNN", cell={})),
            "stateful": _sequential(_recurrent("LSTM", stateful=True)),
            "half": _sequential(_half(_recurrent())),
            "lambda": _sequential(_layer("Lambda", "doubled", function=_CODE), _recurrent()),
            "own_layer": _sequential(_layer("Attend", "attend", module="my.layers"), _recurrent()),
            "own_model": _model("Mine", module="__main__"),
            "in_both_ways": _sequential(_layer("Bidirectional", "both", layer=_recurrent("GRU", stateful=True))),
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
                [_input(6, 3), _called(_recurrent("GRU", return_state=True), "input"), _called(_HEAD, "the_rnn")],
                inputs=("input",),
                outputs=("head",),
            ),
        },
        "2.15.0": {
            "older_lambda": _keras2(_layer("Lambda", "doubled"), _recurrent()),
            "older_unknown": _keras2(_layer("RandomZoom", "zoom"), _recurrent()),
            "older_masking": _keras2(_layer("Masking", "the_mask"), _recurrent()),
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
    y = np.arange(SAMPLES) % CLASSES
    split = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    hole = x.copy()
    hole[5, 0, 0] = np.nan
    return {
        "ok": {"x": x, "y": y},
        "narrow": {"x": x[:, :, :2], "y": y},
        "short": {"x": x[:, :5], "y": y},
        "turned": {"x": x.transpose(0, 2, 1), "y": y},
        "flat": {"x": x[:, 0], "y": y},
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
        "model.txt": "",
        "text.tflite": "not an artifact",
        "words.csv": "1,2,3\n1,two,3\n",
        "result.json": "{}",
        "broken.json": "{",
        "floor.toml": "[\n",
        "speed.toml": '["a.tflite"]\nspede = 3\n',
        "samples.mat": "",
        "one.csv": "1,2,3\n",
        "there-float32.tflite": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("readme.txt", "")
    _save(folder / "there.keras", *_MODELS["ok"])
    with zipfile.ZipFile(folder / "no_json.keras", "w") as archive:
        archive.writestr("config.json", "{")
    for name in ("empty", "saved_model", "idx"):
        (folder / name).mkdir()
    (folder / "saved_model" / "saved_model.pb").touch()
    (folder / "idx" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + bytes(3) + b"\1" + bytes(8))
    import edgernn

    shutil.copy(Path(edgernn.__file__).parent / "samples" / "digits-int8.tflite", folder / "digits.tflite")


_EXPORT_SAMPLES = "export ok.keras --out out --samples "
_EXPORT_MODEL = "--samples ok.npz --out out"
CASES: Sequence[Wrong] = (
    # commands and options
    Wrong("exprt ok.keras", ("No such command 'exprt'", "Did you mean 'export'?"), 2),
)


class _Refusing(MetaPathFinder, Loader):
    """Finder that lets a program see whether TensorFlow and Keras are installed, but not import them."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
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
