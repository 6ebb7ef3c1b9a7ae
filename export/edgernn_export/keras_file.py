"""Keras files: read `.keras` and `.h5` models of Keras 3 and Keras 2 without running any code in them.

Keras itself reads files of Keras 3, in its safe mode. For files of Keras 2, `keras2` translates the configuration and
`keras2_weights` assigns the weights. The content of a file, not its suffix, decides its format: `.keras` files of
TensorFlow 2.0 to 2.11 are HDF5.
"""

import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgernn.data.model_digest import MAX_CONFIG_BYTES, MAX_MEMBERS
from edgernn.data.run_commit import MAX_MODEL_BYTES
from edgernn.errors import ModelError, first_line
from edgernn.system.files import check_file
from edgernn.system.tensorflow_setup import quiet_tensorflow
from edgernn_export import hdf5, keras2, keras2_weights

SUFFIXES = (".keras", ".h5", ".hdf5")

_HDF5_MAGIC, _ZIP_MAGIC = b"\x89HDF\r\n\x1a\n", b"PK"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# Packages from which Keras takes classes of a file; any other class would have to be registered by the user's code.
_KERAS_PACKAGES = ("keras", "keras_hub", "keras_cv", "keras_nlp")


@dataclass(frozen=True)
class SavedConfig:
    """Configuration of a saved model.

    Attributes:
        config: the JSON object, `{"class_name": …, "config": …}`.
        is_keras2: whether Keras 2 wrote it.
        is_hdf5: whether the file is HDF5; otherwise it is a zip archive.
    """

    config: Any
    is_keras2: bool
    is_hdf5: bool


def check(path: Path) -> None:
    """Check, without Keras, that a file may be a Keras model.

    Raises:
        ModelError: it is missing, empty, of another kind, or larger than 2 GiB after unpacking.
    """
    check_file(path, ModelError, MAX_MODEL_BYTES)
    if path.suffix.lower() not in SUFFIXES:
        found = repr(path.suffix) if path.suffix else "no suffix"
        raise ModelError(f"{path}: unsupported file type: {found}; expected {', '.join(SUFFIXES)}")
    try:
        _check_content(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path}: not a Keras file: {error}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def read(path: Path) -> Any:
    """Read a Keras model from a file.

    Raises:
        ModelError: the file is damaged or too large, or contains code or a layer that Keras 3 does not have. The
            message says how to make a file that can be read.
    """
    saved = read_config(path)
    with quiet_tensorflow():
        import keras  # noqa: F401
    with _naming(path, "Keras cannot read it"):
        return _read_hdf5(path, saved) if saved.is_hdf5 else _read_archive(path, saved)


def read_config(path: Path) -> SavedConfig:
    """Read the configuration of a model, without Keras, and check that it contains no code.

    Raises:
        ModelError: as for `read`, without the faults that only Keras finds.
    """
    check(path)
    with _naming(path, "it cannot be read"):
        saved = _config_of_hdf5(path) if _magic(path) == _HDF5_MAGIC else _config_of_archive(path)
        if saved.is_keras2:
            keras2.check_classes(saved.config)
        else:
            _check_suffix(path, (".h5", ".hdf5") if saved.is_hdf5 else (".keras",))
            _check_no_code(saved.config)
            _check_own_classes(saved.config)
    return saved


@contextmanager
def _naming(path: Path, fault: str) -> Iterator[None]:
    """Put the file's name in front of errors; make those of Keras, h5py and zipfile a ModelError with this fault."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # Keras and h5py raise many kinds for damaged files and unknown layers
        raise ModelError(f"{path}: {fault}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Reduce an error of Keras to its cause, which follows a long configuration at the end."""
    _, _, cause = str(error).rpartition("Exception encountered: ")
    return first_line(ValueError(cause)) if cause else first_line(error)


def _config_of_hdf5(path: Path) -> SavedConfig:
    with hdf5.opened(path.read_bytes()) as file:
        text = hdf5.text(file, "model_config")
        if text is None:
            raise ModelError(
                "weights without a model, expected both. Build the model in code, then model.load_weights(file) and "
                'model.save("model.keras"), and export that'
            )
        saved = SavedConfig(_parse(text), _is_keras2(hdf5.text(file, "keras_version")), is_hdf5=True)
        if saved.is_keras2:
            _check_backend(hdf5.text(file, "backend"), saved.config)
    return saved


def _config_of_archive(path: Path) -> SavedConfig:
    with zipfile.ZipFile(path) as archive:
        _check_members(archive)
        names = archive.namelist()
        config = _parse(archive.read(_CONFIG))
        metadata = _parse(archive.read(_METADATA)) if _METADATA in names else {}
    saved = SavedConfig(config, _is_keras2(metadata.get("keras_version")), is_hdf5=False)
    if saved.is_keras2 and _WEIGHTS not in names:
        raise ModelError(
            f"no {_WEIGHTS} in the archive, expected the weights beside the configuration; the file is damaged"
        )
    return saved


def _read_hdf5(path: Path, saved: SavedConfig) -> Any:
    if not saved.is_keras2:
        return _load(path)
    with hdf5.opened(path.read_bytes()) as file:
        model = _build(saved.config)
        keras2_weights.read_h5(file, saved.config, model)
    return model


def _read_archive(path: Path, saved: SavedConfig) -> Any:
    with zipfile.ZipFile(path) as archive:
        weights = archive.read(_WEIGHTS) if _WEIGHTS in archive.namelist() else None
    if weights is None:
        return _load(path)
    with hdf5.opened(weights) as file:  # checks the weights of Keras 3, too
        if saved.is_keras2:
            model = _build(saved.config)
            keras2_weights.read_keras(file, saved.config, model)
            return model
    return _load(path)


def _check_suffix(path: Path, suffixes: tuple[str, ...]) -> None:
    """Check that a file of Keras 3 has a suffix of its content: Keras chooses the format by the suffix."""
    if path.suffix not in suffixes:
        raise ModelError(
            f"the content is that of a {suffixes[0]} file of Keras 3; rename it to {path.stem}{suffixes[0]}"
        )


def _load(path: Path) -> Any:
    """Let Keras read a file of Keras 3."""
    import keras

    # Keras's safe mode, its default, stays on: a model of unknown origin must not run code.
    return keras.saving.load_model(path, compile=False)


def _build(config: Any) -> Any:
    import keras

    return keras.saving.deserialize_keras_object(keras2.translate(config), safe_mode=True)


def _is_keras2(version: Any) -> bool:
    """Return True if a version such as "2.15.0" or "2.2.4-tf" is of Keras 2.

    Raises:
        ModelError: the version is missing, or of Keras 1.
    """
    major = str(version or "").split(".")[0]
    if not major.isdigit():
        raise ModelError(
            'no version of Keras in the file, expected "keras_version"; save it again with model.save("model.keras")'
        )
    if int(major) < 2:
        raise ModelError(f"written by Keras {version}, expected Keras 2 or 3; load it with Keras 2.2 and save it again")
    return int(major) == 2


def _check_no_code(config: Any, layer: str = "the model") -> None:
    """Refuse Python code in the configuration of a Keras 3 file; Keras's own message advises to run it."""
    inner = config.get("config") if isinstance(config, dict) else None
    if isinstance(inner, dict) and "name" in inner:
        layer = f"layer {inner['name']!r} ({config.get('class_name')})"
    for each in config if isinstance(config, list) else config.values():
        if isinstance(each, dict | list):
            _check_no_code(each, layer)
    if isinstance(config, dict) and config.get("class_name") == "__lambda__":
        raise ModelError(f"{layer} contains Python code, which edgernn does not run; replace it by a Keras layer")


def _check_own_classes(node: Any) -> None:
    """Refuse a model or a layer in a Keras 3 file whose class is not one of Keras's own."""
    if not isinstance(node, dict) or not isinstance(config := node.get("config"), dict):
        return  # Keras reports the fault
    kind, module, registered = (node.get(each) for each in ("class_name", "module", "registered_name"))
    package = str(module).split(".")[0]
    # HDF5 files have neither module nor registered name: a registered class is called PACKAGE>NAME.
    is_own = ">" in str(kind) or (registered and package not in _KERAS_PACKAGES)
    if is_own and not _is_registered(str(registered or kind)):
        raise ModelError(
            f"{str(config.get('name') or kind)!r} is of the class {str(kind).rpartition('>')[2]}, which is not Keras's "
            "own, and edgernn does not run its code; build a functional or Sequential model of Keras's own layers"
        )
    layers = config.get("layers")
    for each in (*(layers if isinstance(layers, list) else ()), config.get("layer"), config.get("backward_layer")):
        _check_own_classes(each)


def _is_registered(name: str) -> bool:
    """Return True if the program that calls edgernn has registered a class under this name."""
    keras = sys.modules.get("keras")  # without Keras, nothing is registered
    return keras is not None and keras.saving.get_registered_object(name) is not None


def _check_backend(backend: str | None, config: Any) -> None:
    """Refuse convolutions of Keras on Theano, which flips their kernels."""
    if backend == "theano" and "Conv" in json.dumps(config):
        raise ModelError(
            "convolutions saved by Keras on Theano are not supported; load the file with Keras 2.3 on TensorFlow and "
            "save it again"
        )


def _parse(text: str | bytes) -> Any:
    if len(text) > MAX_CONFIG_BYTES:
        raise ModelError(f"a configuration of {len(text):,} bytes, expected at most {MAX_CONFIG_BYTES:,}")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the configuration is not JSON, the file is damaged: {first_line(error)}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"the configuration is a {type(parsed).__name__}, expected a JSON object; the file is damaged")
    return parsed


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_HDF5_MAGIC))


def _check_content(path: Path) -> None:
    magic = _magic(path)
    if magic == _HDF5_MAGIC:
        return  # `hdf5.opened` checks its sizes
    if not magic.startswith(_ZIP_MAGIC):
        raise ModelError(f"not a Keras file: it starts with {magic!r}, expected a zip archive or HDF5")
    with zipfile.ZipFile(path) as archive:
        _check_members(archive)


def _check_members(archive: zipfile.ZipFile) -> None:
    """Check the number and the sizes of an archive's files before anything is unpacked."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if len(archive.infolist()) > MAX_MEMBERS:
        raise ModelError(f"{len(archive.infolist()):,} files in the archive, expected at most {MAX_MEMBERS:,}")
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_MODEL_BYTES:
        raise ModelError(f"{size:,} bytes unpacked, expected at most {MAX_MODEL_BYTES:,}")
    if _CONFIG not in sizes:
        raise ModelError(f"a zip archive without {_CONFIG}; expected a model as model.save(…) writes it")
    for name in (_CONFIG, _METADATA):
        if sizes.get(name, 0) > MAX_CONFIG_BYTES:
            raise ModelError(f"{name} of {sizes[name]:,} bytes, expected at most {MAX_CONFIG_BYTES:,}")
