"""Judgement of a mutant: loads it as a device does, and compares its answers with the undamaged artifact's."""

import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import edgernn
from common.memory import PEAK, memory_bytes, reset_peak
from edgernn.arrays import Array, Float32
from edgernn.card import Card
from edgernn.errors import ArtifactError, first_line
from edgernn.golden import golden_inputs
from edgernn.metrics import scale_of
from edgernn.model import Model

REFUSED, RIGHT, WRONG, EXCEPTION, CRASH, HANG, MEMORY = OUTCOMES = (
    *("refused", "right", "wrong", "exception", "crash", "hang", "memory"),
)
# An artifact has about ten thousand bytes; memory growth above this limit is a failure.
MAX_GROWTH_BYTES = 256 << 20
# Number of golden inputs in addition to the real samples; more than a card has.
_GOLDEN = 16
# Number of real samples that are also streamed row by row.
_STREAMED = 2


@dataclass(frozen=True)
class Judgement:
    """The judgement of a mutant.

    Attributes:
        outcome: one of `OUTCOMES`.
        detail: the refusal, the exception and its place in the code, or the kind of wrong answers.
    """

    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class MutantAnswers:
    """An artifact's answers, float32 [samples, *output_shape] each, and their meaning by its card.

    Attributes:
        whole: answers to whole samples.
        streamed: answers to some of them row by row, after the last row; None if it cannot stream.
        meaning: fields of the card that `classify` and uint8 inputs depend on.
        decisions: decisions of `whole`; of a regression the same as `whole`.
    """

    whole: Float32
    streamed: Float32 | None
    meaning: tuple[object, ...]
    decisions: Array


class Judge:
    """Compares mutants with an undamaged artifact.

    Args:
        path: the artifact.
        x: real samples, float32 [samples, steps, features].
        place: file for mutants; has the artifact's name, which messages must contain.
        backend: name of the backend that runs them; None for the one that `load` chooses.
    """

    def __init__(self, path: Path, x: Float32, place: Path, backend: str | None = None) -> None:
        model = edgernn.load(path, backend=backend)
        card = _card(model)
        assert card.golden is not None  # noqa: S101 - every finished artifact has them
        self._tolerance = card.golden.tolerance
        self._x = np.concatenate([x, golden_inputs(range(_GOLDEN), card.input_shape, *card.input_range)])
        self._place, self._backend = place, backend
        self._right = self._answers(model)

    def judge(self, data: bytes) -> Judgement:
        """Judge a file of this content. The caller handles crashes, hangs and exits of the process."""
        self._place.write_bytes(data)
        reset_peak()
        before = memory_bytes(PEAK)
        verdict = self._judge()
        growth = memory_bytes(PEAK) - before
        if growth > MAX_GROWTH_BYTES:
            return Judgement(MEMORY, f"{growth >> 20} MiB; {verdict.outcome}: {verdict.detail}")
        return verdict

    def _judge(self) -> Judgement:
        try:
            model = edgernn.load(self._place, backend=self._backend)
            answers = self._answers(model)
        except ArtifactError as error:
            return self._refusal(error)
        except MemoryError as error:
            return Judgement(MEMORY, _where(error))
        except Exception as error:  # noqa: BLE001 - any exception is a finding
            return Judgement(EXCEPTION, _where(error))
        wrong = self._compare(answers)
        return Judgement(WRONG, wrong) if wrong else Judgement(RIGHT)

    def _refusal(self, error: ArtifactError) -> Judgement:
        """Judge a refusal: it must be one line that contains the file's name and a reason."""
        text = str(error)
        unnamed = text.replace(str(self._place), "").strip(": ")
        if len(text.splitlines()) != 1 or not text.isprintable() or unnamed == text or not unnamed:
            return Judgement(EXCEPTION, f"refusal {text!r}, expected one line with the file's name and a reason")
        return Judgement(REFUSED, unnamed)

    def _answers(self, model: Model) -> MutantAnswers:
        card = _card(model)
        whole = model.predict(self._x)
        regression = model.task.kind == "regression"
        stream = model.stream() if card.states else None
        return MutantAnswers(
            whole=whole,
            streamed=np.stack([stream.answer(x) for x in self._x[:_STREAMED]]) if stream else None,
            meaning=(card.task, card.labels, card.input_meaning, card.inputs[0].inverted),
            decisions=whole if regression else model.task.decide(whole),
        )

    def _compare(self, answers: MutantAnswers) -> str:
        """Describe how the answers are wrong; empty if they are right."""
        right = self._right
        if answers.meaning != right.meaning:
            return "card: another meaning of the answers"
        if (wrong := _difference(answers.whole, right.whole, self._tolerance)) is not None:
            decides = np.mean(answers.decisions != right.decisions) if answers.whole.shape == right.whole.shape else 1
            return f"predict: {wrong:.3g} off, {decides:.0%} of decisions changed"
        if right.decisions is not right.whole and np.any(answers.decisions != right.decisions):
            return f"border: within tolerance, {np.mean(answers.decisions != right.decisions):.0%} of decisions changed"
        if (right.streamed is None) != (answers.streamed is None):
            return "stream: only one of both can stream"
        if right.streamed is not None and answers.streamed is not None:
            wrong = _difference(answers.streamed, right.streamed, self._tolerance)
            if wrong is not None:
                return f"stream: {wrong:.3g} off"
        return ""


def _difference(answers: Float32, right: Float32, tolerance: float) -> float | None:
    """Return the largest difference if it is above the tolerance."""
    if answers.shape != right.shape:
        return float("inf")
    difference = float(np.abs(answers - right).max()) / scale_of(right)
    return None if difference <= tolerance else difference


def _card(model: Model) -> Card:
    assert model.card is not None  # noqa: S101 - load refuses files without a card
    return model.card


def _where(error: BaseException) -> str:
    """Describe an exception with the last line of edgernn in its traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/edgernn/" in frame.filename]
    place = f"{Path(frames[-1].filename).name}, {frames[-1].name}: {frames[-1].line}" if frames else "not in edgernn"
    return f"{type(error).__name__}: {first_line(error)[:200]} ({place})"
