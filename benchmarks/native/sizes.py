"""Large models, of 512 time steps or 512 units: backend native compared with LiteRT, each with its faster layout."""

from pathlib import Path

from bars.long_sequences import waves
from common import exports
from common.bench_frame import Progress
from common.checks import Check
from edgernn.bench.stopwatch import Local, Method, Ready
from edgernn_export import Settings, export
from native import native_limits as limits
from native.call_times import LITERT, NATIVE, bare_call, time_calls
from native.native_limits import timing_check
from peers.growth import USUAL_HIDDEN, USUAL_STEPS, ModelSize, build_isolated

_LARGE = 512
_TARGETS = (exports.INT8, exports.INT8_LOOP)
_METHOD = Method(rounds=20, seconds=1.0)


def size_checks(kind: str, folder: Path, say: Progress, *, avx2: bool) -> list[Check]:
    """Build, export and time two untrained models, one of each size.

    Args:
        kind: kind of the layer.
        folder: working folder; it is created.
        say: called with the next step.
        avx2: as `timing_check` takes it.
    """
    sizes = {limits.STEPS: (USUAL_HIDDEN, _LARGE), limits.UNITS: (_LARGE, USUAL_STEPS)}
    return [
        _measure(measurement, ModelSize(kind, *size), folder / measurement, say, avx2=avx2)
        for measurement, size in sizes.items()
    ]


def _measure(measurement: str, size: ModelSize, folder: Path, say: Progress, *, avx2: bool) -> Check:
    say(f"{size}: building and exporting")
    build_isolated(size, folder)
    settings = Settings(refine=False, keep_failed=True)
    rows = export(folder / "model.keras", folder, targets=_TARGETS, samples=folder / "samples.npz", settings=settings)
    paths = {row.target.layout: row.path for row in rows if row.path.is_file()}
    x, _ = waves(2, 1, size.steps)
    say(f"{size}: timing")
    times = time_calls(
        {
            f"{backend} {layout}": Local(
                lambda path=path, backend=backend: Ready({limits.BARE: bare_call(path, backend, x)})  # type: ignore[misc]
            )
            for backend in (NATIVE, LITERT)
            for layout, path in paths.items()
        },
        _METHOD,
    )
    ours, other = (
        min((times[f"{backend} {layout} {limits.BARE}"], layout) for layout in paths) for backend in (NATIVE, LITERT)
    )
    name = f"{size}: native {ours[1]} / LiteRT {other[1]} ({ours[0]:.1f} / {other[0]:.1f} µs)"
    return timing_check("Large models, bare call", name, measurement, size.kind, ours[0] / other[0], avx2=avx2)
