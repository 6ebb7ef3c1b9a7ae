"""Training: data, noise, recipes and the fit; writes a run folder for export and compare.

from edgernn_train import fit, load_dataset
trained = fit(load_dataset("sample"), "robust", seed=0)
trained.results["noisy"]["accuracy"]

TensorFlow is imported only when it is needed.
"""

from edgernn.data.noise import add_noise
from edgernn_train.architecture import Network, build_model
from edgernn_train.data import load_dataset
from edgernn_train.epoch_progress import print_epochs
from edgernn_train.plots import show_digit, show_grid
from edgernn_train.prepared_inputs import one_hot, with_noise
from edgernn_train.recipes import RECIPES, Recipe, find_recipe
from edgernn_train.run_pictures import write_pictures
from edgernn_train.run_writer import open_run, write_run
from edgernn_train.training import Trained, fit

__all__ = [
    "RECIPES",
    "Network",
    "Recipe",
    "Trained",
    "add_noise",
    "build_model",
    "find_recipe",
    "fit",
    "load_dataset",
    "one_hot",
    "open_run",
    "print_epochs",
    "show_digit",
    "show_grid",
    "with_noise",
    "write_pictures",
    "write_run",
]
