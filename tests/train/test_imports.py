import subprocess
import sys

import pytest

import edgernn_train

HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "mlxtend", "rich")


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_room_loads_nothing_heavy():
    done = python(f"import sys, edgernn_train.command; print([m for m in {HEAVY} if m in sys.modules])")
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_the_public_door_is_what_all_says():
    public = {name for name, value in vars(edgernn_train).items() if callable(value) or name == "RECIPES"}
    assert public == set(edgernn_train.__all__)
    assert set(edgernn_train.__all__) >= {"add_noise", "build_model", "fit", "load_dataset"}


def test_tensorflow_is_loaded_and_used_without_a_word():
    done = python(
        "from edgernn_train import build_model; import numpy as np\n"
        "model = build_model(4, 3, 2); model.compile('adam', 'categorical_crossentropy')\n"
        "model.fit(np.zeros((4, 4, 3)), np.eye(2)[[0, 1, 0, 1]], verbose=0)"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_what_was_held_back_is_shown_when_the_import_fails():
    done = python(
        "import os\n"
        "from edgernn.system.tensorflow_setup import quiet_tensorflow\n"
        "with quiet_tensorflow():\n"
        "    os.write(2, b'libcuda is broken\\n'); raise ImportError('no module')"
    )
    assert done.returncode == 1
    assert "libcuda is broken" in done.stderr
    assert "ImportError: no module" in done.stderr


@pytest.mark.parametrize("name", sorted(set(edgernn_train.__all__) - {"RECIPES"}))
def test_what_is_public_is_documented(name):
    assert getattr(edgernn_train, name).__doc__
