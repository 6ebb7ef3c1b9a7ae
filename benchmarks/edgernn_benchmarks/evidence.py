"""Evidence: the contents of a report other than figures, small enough for a result's JSON.

A key without content is left out. "Keras" names the original's answers; artifacts have their names.

labels      [classes], the names of decisions
truth       [decided], the right decisions of a classification or a binary task, one a sequence or one a step, flat
decisions   {name: [decided]}; -1 for an answer of NaN
conditions  [k], conditions of samples: sample i has `conditions[i % k]`; only of a run folder's own samples
rows        steps: rows of a sequence; samples: number of streamed samples; unit: "row" or "step";
            accuracy {name: [steps]}, after each row; settled {name: [steps]}, the share that stays right from there on
pictures    steps, features: of each picture; scale: meaning of black and white; names: of the features, if known;
            low, high: [features], the values drawn as 0 and 255, unless those are 0 and 1;
            examples, disagreements, mistakes: [{sample, truth, keras, pixels, condition?, confidence?, answers {name:
            decision}}]; pixels is Base64 of uint8 [steps, features]; mistakes are the original's, with its probability
            as confidence, the highest first
corruptions samples: number of clean pictures of the run folder; accuracy {name: {corruption: share}}, of the artifacts
values      of a regression: output: name of the output, if there are several; truth [n], answers {name: [n]}, a subset
history     {series: [epochs]}, as in history.json
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import edgernn
from edgernn import metrics
from edgernn.arrays import Bools, Float32, Int64
from edgernn.data.corruptions import CLEAN, are_pictures, corrupted_copies
from edgernn.data.datasets import read_samples
from edgernn.data.run_commit import HISTORY, SAMPLES
from edgernn.data.run_settings import read_settings
from edgernn.errors import NoStepError
from edgernn.tasks import BINARY, CLASSIFICATION, REGRESSION, Task
from edgernn_benchmarks.question import Question

Decisions = Mapping[str, Int64]

KERAS = "Keras"
# Limits that keep the file small and the report readable.
MAX_DECISIONS, MAX_VALUES = 20_000, 400
MAX_STREAMED, MAX_ROWS = 500, 20_000
MAX_DISAGREEMENTS, MAX_EXAMPLES, MAX_MISTAKES = 24, 10, 20
MAX_CORRUPTED = 500
MAX_EPOCHS = 2_000
# Pixels of a picture's side: shorter samples are not drawn, longer sides are shrunk.
MIN_SIDE, MAX_SIDE = 2, 96
PIXEL_SCALE = "black is 0, white is 1"


def collect(
    folder: Path | None,
    question: Question,
    answers: Mapping[str, Float32],
    models: Mapping[str, edgernn.Model],
) -> dict[str, Any]:
    """Collect the evidence described in this module's docstring, for `json.dumps`.

    Args:
        folder: the run folder; None if there is none.
        question: without truths, only conditions and history are collected.
        answers, models: the artifacts' answers, and the loaded artifacts, by name.
    """
    x, truth, task, reference = question.x, question.truth, question.task, question.reference
    conditions = _conditions(folder, x)
    found: dict[str, Any] = {"conditions": conditions, "history": _history(folder)}
    if truth is not None and task.kind in (CLASSIFICATION, BINARY):
        decisions = {name: task.decide(answer) for name, answer in ((KERAS, reference), *answers.items())}
        right = truth.reshape(decisions[KERAS].shape)
        found["labels"] = _labels(question.labels, task, reference.shape[-1])
        if right.size <= MAX_DECISIONS:
            found["truth"] = right.ravel().tolist()
            found["decisions"] = {name: each.ravel().tolist() for name, each in decisions.items()}
        if right.ndim == 1:
            found["rows"] = _rows(question, right, models)
            mistakes = task.find_confident_mistakes(reference, truth, MAX_MISTAKES).tolist()
            confidence = [round(float(share), 4) for share in task.confidence(reference[mistakes])]
            confident = dict(zip(mistakes, confidence, strict=True))
            found["pictures"] = _pictures(x, right, decisions, conditions, _names(models), confident)
            found["corruptions"] = _corruptions(question, right, conditions, models)
        else:
            found["rows"] = _steps(right, decisions)
    elif truth is not None and task.kind == REGRESSION:
        found["values"] = _values(question.labels, truth.reshape(reference.shape), {KERAS: reference, **answers})
    return {name: value for name, value in found.items() if value}


def _labels(labels: Sequence[str], task: Task, outputs: int) -> list[str]:
    if task.kind == BINARY:
        return list(labels) if len(labels) == 2 else ["no", "yes"]
    return [str(index) for index in range(outputs)] if len(labels) != outputs else list(labels)


def _names(models: Mapping[str, edgernn.Model]) -> Sequence[str]:
    """Return the names of the input's features from the first card that has them; empty if none has."""
    cards = (model.card for model in models.values())
    return next((card.inputs[0].features for card in cards if card and card.inputs[0].features), ())


def _conditions(folder: Path | None, x: Float32) -> list[str]:
    """Return the conditions of a run folder's samples, which alternate: clean, noisy, clean."""
    if folder is None or not (folder / SAMPLES).is_file():
        return []
    settings = read_settings(folder)
    conditions = settings.get("conditions")
    if not isinstance(conditions, list) or not np.array_equal(read_samples(folder, settings["input"]).x_test, x):
        return []
    return [str(condition) for condition in conditions]


def _history(folder: Path | None) -> dict[str, list[float]]:
    """Return the series of numbers in history.json; of another kind of file none."""
    file = folder / HISTORY if folder else None
    if file is None or not file.is_file():
        return {}
    try:
        series = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the report then has no training curves
        return {}
    if not isinstance(series, dict):
        return {}
    return {
        str(name): [round(value, 6) for value in values[:MAX_EPOCHS]]
        for name, values in series.items()
        if isinstance(values, list) and values and all(map(_is_finite, values))
    }


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _rows(question: Question, right: Int64, models: Mapping[str, edgernn.Model]) -> dict[str, Any]:
    """Return the accuracy after each row, of the artifacts that can stream."""
    steps = question.x.shape[1]
    count = min(len(question.x), MAX_STREAMED, max(1, MAX_ROWS // steps))
    decisions = {}
    for name, model in models.items():
        try:
            stream = model.stream()
        except NoStepError:
            continue
        with stream:
            x = question.inputs_for(model)[:count]
            decisions[name] = np.stack([_decide_each(stream, sample, question.task) for sample in x])
    return _as_rows(decisions, right[:count, np.newaxis], "row")


def _decide_each(stream: edgernn.Stream, sample: Float32, task: Task) -> Int64:
    stream.reset()
    return task.decide(stream.push_many(sample))


def _steps(right: Int64, decisions: Decisions) -> dict[str, Any]:
    """Return the accuracy at each step, of a model that answers each step: every step has its own truth."""
    return _as_rows({name: each for name, each in decisions.items() if each.ndim == 2}, right, "step")


def _as_rows(decisions: Decisions, right: Int64, unit: str) -> dict[str, Any]:
    if not decisions:
        return {}
    met = {name: each == right for name, each in decisions.items()}
    # Settled: right after this row and after all later rows.
    settled = {name: np.logical_and.accumulate(each[:, ::-1], axis=1)[:, ::-1] for name, each in met.items()}
    samples, steps = next(iter(met.values())).shape
    return {
        "unit": unit,
        "steps": steps,
        "samples": samples,
        "accuracy": {name: _shares(each) for name, each in met.items()},
        "settled": {name: _shares(each) for name, each in settled.items()} if unit == "row" else {},
    }


def _shares(met: Bools) -> list[float]:
    return [round(float(share), 4) for share in met.mean(axis=0)]


def _corruptions(
    question: Question, right: Int64, conditions: Sequence[str], models: Mapping[str, edgernn.Model]
) -> dict[str, Any]:
    """Return the artifacts' accuracy on clean pictures of the run folder, and on corrupted copies of them."""
    if CLEAN not in conditions:
        return {}
    clean = slice(list(conditions).index(CLEAN), MAX_CORRUPTED * len(conditions), len(conditions))
    pictures, truth = question.x[clean], right[clean]
    if not are_pictures(pictures):
        return {}
    copies = corrupted_copies(pictures)
    accuracy = {
        name: {
            each: round(metrics.accuracy(question.task.decide(model.predict(copy)), truth), 4)
            for each, copy in copies.items()
        }
        for name, model in models.items()
    }
    return {"samples": len(pictures), "accuracy": accuracy} if accuracy else {}


def _pictures(
    x: Float32,
    right: Int64,
    decisions: Decisions,
    conditions: Sequence[str],
    names: Sequence[str],
    mistakes: Mapping[int, float],
) -> dict[str, Any]:
    """Return the samples to draw; `mistakes` are the original's, each with its confidence."""
    if x.shape[1] < MIN_SIDE:
        return {}
    low, high, scale = _range_of(x)
    examples, disagreements = _examples(right, conditions), _disagreements(decisions)

    def picture(sample: int) -> dict[str, Any]:
        pixels = _shrunk(np.clip((x[sample] - low) / (high - low), 0, 1))
        keras = int(decisions[KERAS][sample])
        others = {name: int(each[sample]) for name, each in decisions.items() if int(each[sample]) != keras}
        return {
            "sample": sample,
            "truth": int(right[sample]),
            "keras": keras,
            "answers": others,
            "pixels": base64.b64encode(np.rint(255 * pixels).astype(np.uint8).tobytes()).decode("ascii"),
            **({"condition": conditions[sample % len(conditions)]} if conditions else {}),
            **({"confidence": mistakes[sample]} if sample in mistakes else {}),
        }

    steps, features = _shrunk(x[0]).shape
    return {
        "steps": steps,
        "features": features,
        "scale": scale,
        **({"names": list(names)} if len(names) == features else {}),
        **({} if scale == PIXEL_SCALE or len(low) != features else {"low": _rounded(low), "high": _rounded(high)}),
        "examples": [picture(sample) for sample in examples],
        "disagreements": [picture(sample) for sample in disagreements],
        "mistakes": [picture(sample) for sample in mistakes],
    }


def _range_of(x: Float32) -> tuple[Float32, Float32, str]:
    """Return the values drawn black and white, [features] each, and a phrase that describes them."""
    features = x.shape[2]
    if x.min() >= 0 and x.max() <= 1:
        return np.zeros(features, np.float32), np.ones(features, np.float32), PIXEL_SCALE
    low, high = x.min(axis=(0, 1)), x.max(axis=(0, 1))
    return low, np.where(high > low, high, low + 1), "each feature from its lowest value, black, to its highest, white"


def _rounded(values: Float32) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]


def _shrunk(sample: Float32) -> Float32:
    """Shrink a sample to at most `MAX_SIDE` steps and features, by means of neighbours."""
    for axis in (0, 1):
        size = sample.shape[axis]
        if size > MAX_SIDE:
            starts = np.arange(MAX_SIDE) * size // MAX_SIDE
            counts = np.diff(np.append(starts, size))
            means = np.add.reduceat(sample, starts, axis=axis) / np.expand_dims(counts, 1 - axis)
            sample = means.astype(np.float32)
    return sample


def _examples(right: Int64, conditions: Sequence[str]) -> list[int]:
    """Return the first sample of each class in each condition."""
    turns = max(1, len(conditions))
    chosen: list[int] = []
    for turn in range(turns):
        _, first = np.unique(right[turn::turns], return_index=True)
        chosen += (turn + turns * first[:MAX_EXAMPLES]).tolist()
    return chosen


def _disagreements(decisions: Decisions) -> list[int]:
    """Return samples where an artifact decides differently from Keras; artifacts alternate until there are enough."""
    turns = zip_longest(*(np.flatnonzero(each != decisions[KERAS]).tolist() for each in decisions.values()))
    alternating = (sample for turn in turns for sample in turn if sample is not None)
    return sorted(islice(dict.fromkeys(alternating), MAX_DISAGREEMENTS))


def _values(labels: Sequence[str], truth: Float32, answers: Mapping[str, Float32]) -> dict[str, Any]:
    """Return values of the first output, from samples and steps of the whole test set."""
    outputs = truth.shape[-1]
    flat = truth.reshape(-1, outputs)
    chosen = np.linspace(0, len(flat) - 1, min(len(flat), MAX_VALUES)).astype(np.int64)
    output = labels[0] if len(labels) == outputs else "output 1"

    def some(values: Float32) -> list[float | None]:
        numbers = values.reshape(-1, outputs)[chosen, 0].tolist()
        return [float(f"{number:.5g}") if math.isfinite(number) else None for number in numbers]

    return {
        "output": output if outputs > 1 else "",
        "truth": some(truth),
        "answers": {name: some(each) for name, each in answers.items()},
    }
