"""The original training, step by step, then the two steps that bring its model to a small device.

Each `# %%` starts a cell, which editors run one by one. post.ipynb has the same cells; make_notebook.py writes it.
"""

# %% [markdown]
# # Handwritten digits, read row by row
#
# A recurrent network reads an image of 28 × 28 pixels as a sequence: 28 time steps, each a row of 28 numbers. This
# notebook trains such a network on noisy digits (recipe `seed`), looks at its answers, and exports it to a file of
# 15 KB that a small device runs without Keras.
#
# It needs the packages of `make setup` and no network: the 5,000 real MNIST digits are installed with them.

# %%
from pathlib import Path

import numpy as np

import edgernn
from edgernn_export import Settings, export, select_targets
from edgernn_train import (
    build_model,
    fit,
    load_dataset,
    one_hot,
    open_run,
    print_epochs,
    show_digit,
    show_grid,
    with_noise,
    write_run,
)

# %% [markdown]
# ## The data
#
# `load_dataset("mnist")` downloads all 70,000 images instead.

# %%
dataset = load_dataset("sample")
print("training", dataset.x_train.shape, "test", dataset.x_test.shape, dataset.x_train.dtype)

# %% [markdown]
# One digit as the network sees it: 28 rows of 28 numbers from 0 to 255. The first row is the first time step.

# %%
show_digit(dataset.x_train[0], label=dataset.y_train[0], numbers=True)

# %% [markdown]
# The first image of each digit:

# %%
digits = [int(np.argmax(dataset.y_train == digit)) for digit in range(10)]
show_grid(dataset.x_train[digits], labels=dataset.labels)

# %% [markdown]
# ## Noise
#
# Pixels are divided by 255. Each gets Gaussian noise of mean 0.5 and standard deviation 0.1; values above 1 become 1.
# Without the division, `with_noise(dataset, scale=False)`, every pixel of ink becomes 1.

# %%
noisy = with_noise(dataset)
show_grid(noisy.x_train[digits], labels=dataset.labels)

# %% [markdown]
# ## Labels
#
# The network has an output for each digit. The right answer is 1 at the digit and 0 elsewhere (one-hot).

# %%
print("digits", dataset.y_train[:3])
print(one_hot(dataset.y_train[:3], classes=10))

# %% [markdown]
# ## The network
#
# SimpleRNN(64) has (28 + 64 + 1) · 64 = 5,952 parameters: weights for the row, for the previous state, and a bias. The
# Dense layer has (64 + 1) · 10 = 650.

# %%
build_model(steps=28, features=28, classes=10).summary()

# %% [markdown]
# ## Training
#
# Five epochs. After each, the network is validated on the noisy test images. `fit` adds the noise itself.

# %%
trained = fit(dataset, "seed", callbacks=[print_epochs()])

# %% [markdown]
# ## The first prediction
#
# A probability for each digit, for the first noisy test image.

# %%
probabilities = trained.predict(noisy.x_test[0])
for digit, probability in zip(trained.labels, probabilities, strict=True):
    print(digit, f"{probability:7.2%}", "#" * round(40 * float(probability)))
show_digit(noisy.x_test[0], label=f"{noisy.y_test[0]}, read as {probabilities.argmax()}")

# %% [markdown]
# All noisy test images:

# %%
print(trained.evaluate(noisy.x_test, noisy.y_test))

# %% [markdown]
# Loss and accuracy after each epoch:

# %%
trained.show_history()

# %% [markdown]
# ## Export
#
# The run folder holds the model and samples. `export` makes a file with 8-bit integers, runs it beside Keras on the
# test samples, whole and row by row, and writes it only if it answers like Keras.
#
# Five epochs on 4,000 images leave many narrow decisions, which rounding can change. So this export accepts 97 %
# agreement in place of the usual 98.5 %. A better model is `fit(dataset, "robust")`.

# %%
folder = Path("runs/post")
with open_run(folder, overwrite=True) as run:
    write_run(run, trained, source="sample")
targets = select_targets(formats=["tflite"], quantizations=["int8"], layouts=["unrolled"])
(result,) = export(folder, targets=targets, settings=Settings(min_agreement=0.97), overwrite=True)
print(result.path.name, result.status, f"{result.size_bytes:,} bytes")

# %% [markdown]
# ## The answers of the file beside Keras's
#
# `edgernn.load` needs no TensorFlow: these lines run on the device, too.

# %%
device = edgernn.load(result.path)
keras, int8 = trained.predict(noisy.x_test), device.predict(noisy.x_test)
print("digit  Keras        int8")
for digit, one, other in zip(noisy.y_test[:10], keras, int8, strict=False):
    print(f"{digit:5}  {one.argmax()} {one.max():7.2%}    {other.argmax()} {other.max():7.2%}")
same = np.mean(keras.argmax(axis=1) == int8.argmax(axis=1))
accuracy = np.mean(int8.argmax(axis=1) == noisy.y_test)
print(f"the same digit on {same:.1%} of {len(int8):,} images; accuracy of int8 {accuracy:.1%}")
