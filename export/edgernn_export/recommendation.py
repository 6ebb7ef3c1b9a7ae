"""The recommendation: exported artifacts timed for a moment, and judged by the rule of `edgernn compare`.

C source is not timed. For devices that compile, it comes first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgernn.bench.profiles import PROFILES, profile_named
from edgernn.bench.result import ORIGINAL, Answers, Measured, Result
from edgernn.bench.session import open_artifacts, run_session
from edgernn.bench.stopwatch import Method
from edgernn.bench.subjects import PREDICT, ArtifactLoader
from edgernn.bench.verdict import MAX_DROP_POINTS, MIN_AGREEMENT, recommend_by_device
from edgernn.errors import SettingError
from edgernn.system.child import Child
from edgernn_export.pipeline import TargetResult
from edgernn_export.proof import Proof
from edgernn_export.settings import Settings

# Enough to distinguish times that differ by more than `edgernn.bench.statistics.TIE`, in less than half a second for
# each artifact. `edgernn compare` measures longer.
METHOD = Method(rounds=10, seconds=0.05)


def measure(
    rows: Sequence[TargetResult], settings: Settings | None = None, *, profile: str = "", method: Method = METHOD
) -> Result:
    """Time the artifacts of an export that passed, each the same generated sample; `judge` recommends one of them.

    They are timed side by side, in a child process without TensorFlow.

    Args:
        rows: from `export`; at least one passed that the runtime runs.
        settings: those of the export, whose limits of accuracy apply; defaults if None.
        profile: device that the recommended artifact is for, a name of `edgernn.bench.profiles`; any by default.
        method: how to time.

    Returns:
        The artifacts, in the order of `rows`, with their answers from the proof. The original has no times.

    Raises:
        SettingError: no artifact passed, or the profile is unknown.
        EdgernnError: an artifact cannot be run any more.
    """
    if profile:
        profile_named(profile)
    settings = settings or Settings()
    proofs = [(row, row.proof) for row in rows if row.runs_here and row.proof]
    if not proofs:
        raise SettingError("no artifact passed the proof, so there is none to recommend")
    loaders = [ArtifactLoader(row.path, only=(PREDICT,)) for row, _ in proofs]
    with Child(_serve) as child:
        timed: Result = child.ask((loaders, method))
    subjects = tuple(
        replace(subject, answers=_answers(proof)) for subject, (_, proof) in zip(timed.subjects, proofs, strict=True)
    )
    first = proofs[0][1]
    max_drop, min_agreement = settings.max_drop, settings.min_agreement
    return replace(
        timed,
        subjects=(_original(first, subjects[0]), *subjects),
        task=first.task,
        samples=first.samples,
        limits={
            "max_drop_points": MAX_DROP_POINTS if max_drop is None else max_drop,
            "min_agreement": MIN_AGREEMENT if min_agreement is None else min_agreement,
        },
        profile=profile,
    )


def choose_source(rows: Sequence[TargetResult], profile: str) -> TargetResult | None:
    """Return the source that a device should compile: int8 before float32, of those that passed.

    float32 also needs the compiler's mathematical functions, and four times the memory for a stream.

    Args:
        rows: from `export`.
        profile: a name of `edgernn.bench.profiles`; may be empty.

    Returns:
        None if the device does not compile source, or none passed.
    """
    if not profile or not profile_named(profile).compiles:
        return None
    sources = [row for row in rows if row.passed and row.device]
    return min(sources, key=lambda row: row.target.quantization != "int8", default=None)


def choose_by_device(rows: Sequence[TargetResult], timed: Result | None) -> dict[str, str]:
    """Return the name of the artifact to ship for each device, with sources; empty where it runs none.

    Args:
        rows: from `export`.
        timed: from `measure`; None if nothing was timed. Then there are only devices that get a source.
    """
    found = {name: best.name if best else "" for name, best in recommend_by_device(timed).items()} if timed else {}
    sources = {name: choose_source(rows, name) for name in PROFILES}
    return found | {name: source.path.name for name, source in sources.items() if source}


def _serve() -> Callable[[tuple[Sequence[ArtifactLoader], Method]], Result]:
    def answer(request: tuple[Sequence[ArtifactLoader], Method]) -> Result:
        loaders, method = request
        return run_session([each.candidate() for each in open_artifacts(loaders)], method)

    return answer


def _answers(proof: Proof) -> Answers:
    return Answers(proof.artifact, proof.agreement, proof.difference)


def _original(proof: Proof, artifact: Measured) -> Measured:
    """Describe the Keras model that an artifact was exported from; its file is not known here, and has no size."""
    return Measured(
        name="Keras",
        role=ORIGINAL,
        backend="keras",
        size_bytes=0,
        sha256="",
        quantization="float32",
        layout="",
        verified=True,
        input_shape=artifact.input_shape,
        turns={},
        answers=Answers(proof.keras, 1.0, 0.0),
        source_sha256=artifact.source_sha256,
    )
