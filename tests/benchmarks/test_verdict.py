"""The verdict, the floor and the changes, on made-up results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import measured, result, turns

from edgernn.bench.profiles import profile_named
from edgernn.bench.result import Answers, Measured
from edgernn.bench.statistics import NO_DIFFERENCE
from edgernn.bench.stopwatch import Method
from edgernn.bench.verdict import as_fast_as_the_fastest, describe_devices, recommend_by_device
from edgernn.errors import DataError
from edgernn.tasks import Task
from edgernn_benchmarks import judge
from edgernn_benchmarks.changes import find_changes
from edgernn_benchmarks.floor import check_floor, read_floor
from edgernn_benchmarks.terminal_table import print_result

KERAS = measured("Keras tf.function", 1000, role="original", answers=Answers({"accuracy": 0.5, "f1": 0.9}, 1.0, 0.0))

KEEP = "lose at most 0.7 points of F1, agree with Keras to at least 98.50%"
RUN = "run correctly on every default backend"


def artifact(
    name: str, median_us: float, f1: float = 0.9, size: int = 100, agreement: float = 1.0, seed: int = 1
) -> Measured:
    # Measures other than the headline do not matter.
    answers = Answers({"accuracy": 0.0, "f1": f1}, agreement, 0.0)
    return measured(name, median_us, seed=seed, size_bytes=size, answers=answers)


def verdict_on(*artifacts: Measured) -> tuple[str | None, str]:
    verdict = judge(result(KERAS, *artifacts, task=Task("multilabel")))
    return verdict.recommended.name if verdict.recommended else None, verdict.why


def test_the_quickest_that_keeps_the_headline_measure_is_recommended() -> None:
    wrong, good, slow = artifact("wrong", 1, f1=0.892), artifact("good", 5, f1=0.894), artifact("slow", 9)
    assert verdict_on(slow, good, wrong) == (
        "good",
        f"the fastest of 2 artifacts that {KEEP} and {RUN} (the other: slow)",
    )
    name, why = verdict_on(wrong)
    assert name is None
    assert why == "no artifact keeps the accuracy of the original: wrong (F1 89.20%, the original's is 90.00%)"
    assert verdict_on(artifact("other", 1, f1=0.91, agreement=0.9), slow)[0] == "slow"
    assert verdict_on(artifact("broken", 1, f1=float("nan")), slow)[0] == "slow"
    keeps = "loses at most 0.7 points of F1, agrees with Keras to at least 98.50%"
    assert verdict_on(slow) == ("slow", f"the only artifact that {keeps} and runs correctly on every default backend")


def named(name: str, median_us: float, quantization: str, size: int, seed: int, exact_stream: bool = False) -> Measured:
    facts = replace(artifact(name, median_us, size=size, seed=seed), quantization=quantization)
    return replace(facts, exact_stream=exact_stream)


@pytest.mark.parametrize("seed", range(10))
def test_the_recommendation_is_the_same_in_every_run(seed: int) -> None:
    """Times of the digits' artifacts on a busy machine: the fastest one changes from run to run."""
    noise = np.random.default_rng(seed).uniform(0.95, 1.06, 4)
    name, why = verdict_on(
        named("d-dynamic.tflite", 8.4 * noise[0], "dynamic", 14_128, 4 * seed),
        named("d-int8.tflite", 8.6 * noise[1], "int8", 14_896, 4 * seed + 1, exact_stream=True),
        named("d-int8-loop.tflite", 15 * noise[2], "int8", 12_784, 4 * seed + 2, exact_stream=True),
        named("d-float32.tflite", 8.5 * noise[3], "float32", 9_000, 4 * seed + 3),
    )
    expected = f"that {KEEP}, {RUN} and stream with the same bits as predict (the other: d-int8-loop.tflite)"
    assert (name, why) == ("d-int8.tflite", f"the fastest of 2 artifacts {expected}")


@pytest.mark.parametrize("seed", range(10))
def test_files_that_are_nearly_equally_fast_do_not_change_places(seed: int) -> None:
    """Times of the demo's files that qualify, on an idle machine: int8 took 1.08 to 1.13 times as long as float32."""
    noise = np.random.default_rng(seed).uniform(0.95, 1.05, 3)
    name, _ = verdict_on(
        named("d-float32.tflite", 10.0 * noise[0], "float32", 32_384, 3 * seed, exact_stream=True),
        named("d-int8.tflite", 10.9 * noise[1], "int8", 14_880, 3 * seed + 1, exact_stream=True),
        named("d-int8-loop.tflite", 18.2 * noise[2], "int8", 12_768, 3 * seed + 2, exact_stream=True),
    )
    assert name == "d-int8.tflite"


def test_each_device_has_its_recommendation(capsys: pytest.CaptureFixture[str]) -> None:
    """tflite-runtime misreads dynamic files, a microcontroller is short of memory, a browser reads .onnx only."""
    loop = named("d-int8-loop.tflite", 30.0, "int8", 100, 1, exact_stream=True)
    int8 = named("d-int8.tflite", 20.0, "int8", 200, 2, exact_stream=True)
    dynamic = named("d-dynamic.tflite", 10.0, "dynamic", 150, 3, exact_stream=True)
    onnx = named("d-int8.onnx", 40.0, "int8", 50, 4)
    measured_here = result(KERAS, loop, int8, dynamic, onnx, task=Task("multilabel"))
    boards = dict.fromkeys(("pi5", "pi4", "pi3"), dynamic)
    assert recommend_by_device(measured_here) == {**boards, "pi2": int8, "pizero": int8, "mcu": loop, "browser": onnx}
    lines = ["pi5, pi4, pi3: d-dynamic.tflite", "pi2, pizero: d-int8.tflite"]
    lines += ["mcu: d-int8-loop.tflite", "browser: d-int8.onnx"]
    assert describe_devices(measured_here) == lines
    print_result(measured_here)
    assert "\n    ".join(["By device (--for):", *lines]) + "\n" in capsys.readouterr().out
    assert describe_devices(replace(measured_here, profile="pi2")) == []
    assert describe_devices(replace(measured_here, task=None)) == []
    assert describe_devices(result(KERAS, int8, task=Task("multilabel")))[-1] == "browser: none of them"


def test_for_a_device_the_smallest_and_the_fastest_run_there() -> None:
    int8 = named("d-int8.tflite", 20.0, "int8", 200, 1, exact_stream=True)
    dynamic = named("d-dynamic.tflite", 10.0, "dynamic", 150, 2, exact_stream=True)
    onnx = named("d-int8.onnx", 40.0, "int8", 50, 3)
    verdict = judge(replace(result(KERAS, int8, dynamic, onnx, task=Task("multilabel")), profile="pi2"))
    assert (verdict.smallest, verdict.fastest, verdict.most_accurate) == (int8, int8, int8)
    proven = "streams, in the proof on the exporting machine, with the same bits as predict"
    assert verdict.why.endswith(f"runs correctly on native or tflite-runtime and {proven}")


def test_the_sentence_says_among_which_artifacts_it_is_the_fastest() -> None:
    exact = named("d-int8.tflite", 20.0, "int8", 14_880, 1, exact_stream=True)
    loop = named("d-int8-loop.tflite", 30.0, "int8", 12_768, 2, exact_stream=True)
    slow, quick = (named("d-float32.tflite", median_us, "float32", 30_000, 3) for median_us in (25.0, 10.0))
    ship = "Ship d-int8.tflite: 14,880 bytes, 100.00% agreement with Keras, the fastest"
    for float32, sentence in ((slow, ship), (quick, f"{ship} of the 2 that qualify")):
        verdict = judge(result(KERAS, exact, loop, float32, task=Task("multilabel")))
        assert verdict.sentence == f"{sentence} (timed with litert)"
        assert (verdict.fastest is verdict.recommended) == (float32 is slow)
    tied = replace(exact, name="d-float16.tflite", size_bytes=19_000, turns={"predict": turns(18.0, seed=4)})
    verdict = judge(result(KERAS, exact, tied, task=Task("multilabel")))
    assert verdict.recommended == exact
    assert verdict.sentence.endswith(", the smallest within 25% of the fastest (timed with litert)")


def test_each_artifact_that_cannot_be_recommended_has_its_reason() -> None:
    inexact = named("inexact.tflite", 3, "int8", 100, 3)
    subjects = (
        named("good.tflite", 9, "int8", 100, 1, exact_stream=True),
        artifact("wrong.tflite", 1, f1=0.8, agreement=0.9),
        named("misread.tflite", 2, "dynamic", 100, 2, exact_stream=True),
        named("no-stream.tflite", 3, "int8", 100, 3),
        replace(inexact, turns={**inexact.turns, "step": turns(1.0)}),
        replace(artifact("foreign.tflite", 1, f1=0.1), source_sha256="b" * 64),
    )
    seen = result(replace(KERAS, source_sha256="a" * 64), *subjects, task=Task("multilabel"))
    assert judge(seen).refused == {
        "wrong.tflite": "F1 80.00%, the original's is 90.00%, agreement 90.00%",
        "misread.tflite": "a device may run it with tflite-runtime, which gives wrong answers",
        "no-stream.tflite": "it cannot stream, and other files can",
        "inexact.tflite": "its stream and predict differ in some bits; those of other files are equal",
    }
    in_browser = judge(replace(seen, profile="browser")).refused["good.tflite"]
    assert in_browser == "a browser cannot run it: expected a file for onnxruntime"
    # Without an original, accuracy is not a reason.
    assert judge(result(*subjects)).refused == {}


def test_conditions_that_no_artifact_meets_are_skipped() -> None:
    dynamic = named("d-dynamic.tflite", 8.4, "dynamic", 14_128, 1)
    assert verdict_on(dynamic) == (
        "d-dynamic.tflite",
        "the only artifact that loses at most 0.7 points of F1 and agrees with Keras to at least 98.50%",
    )
    float32 = named("d-float32.tflite", 9.0, "float32", 30_000, 2)
    assert verdict_on(dynamic, float32)[0] == "d-float32.tflite"


def test_equal_times_and_sizes_leave_the_name() -> None:
    assert verdict_on(artifact("b", 10.0), artifact("a", 10.5, seed=2)) == (
        "a",
        f"by size and name the first of 2 equally fast artifacts that {KEEP} and {RUN} (the other: b)",
    )


def test_limits_are_those_of_the_result() -> None:
    worse = artifact("worse", 1, f1=0.85)
    lax = result(KERAS, worse, task=Task("multilabel"), limits={"max_drop_points": 6, "min_agreement": 0.5})
    assert judge(lax).recommended == worse


def test_among_those_that_are_as_quick_the_smallest_file_is_recommended() -> None:
    """One noisy run must not choose between files whose times are practically equal."""
    quick, small, slow = (
        artifact("quick", 20.0, size=300),
        artifact("small", 20.4, size=200, seed=2),
        artifact("slow", 30.0, size=100),
    )
    assert verdict_on(quick, small, slow)[0] == "small"
    noisy = replace(slow, turns={"predict": turns(24, noise=0.5, seed=3)})
    whole = result(KERAS, quick, small, noisy, task=Task("multilabel"))
    assert as_fast_as_the_fastest(whole, [quick, small, noisy]) == [quick, small, noisy]
    verdict = judge(result(KERAS, quick, small, slow, task=Task("multilabel")))
    assert (verdict.smallest, verdict.most_accurate) == (slow, slow)
    assert verdict.fastest == quick
    place = "the smallest of 2 equally fast artifacts, among 3"
    assert verdict.why == f"{place} that {KEEP} and {RUN} (the others: quick, slow)"


def test_without_an_original_nobody_knows_how_right_it_is() -> None:
    quick = measured("quick", 20.0, answers=None)
    verdict = judge(result(quick, measured("slow", 40.0, answers=None), task=None))
    assert (verdict.fastest, verdict.recommended, verdict.most_accurate) == (quick, None, None)
    assert verdict.why == "accuracy was not measured here"


def floor_of(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "floor.toml").write_text(text, encoding="utf-8")
    whole = result(
        measured("Keras", 1000, role="original", answers=Answers({"accuracy": 0.94}, 1.0, 0.0)),
        measured("a.tflite", 20.0, answers=Answers({"accuracy": 0.93, "mae": 0.2, "r2": 0.9}, 0.99, 0.1)),
        measured("b.tflite", 40.0, seed=1),
    )
    return check_floor([whole], read_floor(tmp_path / "floor.toml"))


@pytest.mark.parametrize(
    ("met", "below", "message"),
    [
        ("accuracy = 0.93", "accuracy = 0.931", "accuracy 0.9300, the floor is 0.931"),
        ("agreement = 0.99", "agreement = 0.995", "agreement 0.9900, the floor is 0.995"),
        ("size_bytes = 14_736", "size_bytes = 14_735", "size bytes 14,736, at most 14,735"),
        ("largest_difference = 0.1", "largest_difference = 0.09", "largest difference 0.1, at most 0.09"),
        ("mae = 0.2", "mae = 0.1", "MAE 0.2, at most 0.1"),
        ("r2 = 0.9", "r2 = 1", "R² 0.9000, the floor is 1"),
        ("speed.Keras = 49", "speed.Keras = 51", "50.00 times as quick as Keras (50.00 to 50.00), the floor is 51"),
        ("speed.'b.tflite' = 1.9", "speed.'b.tflite' = 2.1", "times as quick as b.tflite"),
        ("accuracy = 0.5", "f1 = 0.5", "'f1' was not measured, the floor is 0.5"),
        ("accuracy = 0.5", "speed.'c.tflite' = 1", "'c.tflite' was not measured, the floor is 1"),
    ],
)
def test_each_kind_of_regression_is_below_the_floor(tmp_path: Path, met: str, below: str, message: str) -> None:
    assert floor_of(tmp_path, f'["a.tflite"]\n{met}\n') == []
    (failure,) = floor_of(tmp_path, f'["a.tflite"]\n{below}\n')
    assert failure.startswith("a.tflite: ")
    assert message in failure


def test_a_floor_that_names_nobody_does_not_hold_and_patterns_name_several(tmp_path: Path) -> None:
    (failure,) = floor_of(tmp_path, '["c.tflite"]\naccuracy = 0.1\n')
    assert failure == "c.tflite: no such artifact was measured; there are a.tflite, b.tflite"
    assert len(floor_of(tmp_path, '["*.tflite"]\nsize_bytes = 10\n')) == 2


def test_with_several_results_one_that_has_the_figure_is_enough(tmp_path: Path) -> None:
    whole = result(measured("Keras", 1000, role="original"), measured("a[1].tflite", 20.0))
    bench = result(measured("a[1].tflite", 20.0, answers=None), measured("b.tflite", 40.0, answers=None))
    (tmp_path / "floor.toml").write_text('["a[1].tflite"]\naccuracy = 0.9\nspeed."b.tflite" = 1.9\n', encoding="utf-8")
    floor = read_floor(tmp_path / "floor.toml")
    assert check_floor([whole, bench], floor) == []
    assert check_floor([bench], floor) == ["a[1].tflite: 'accuracy' was not measured, the floor is 0.9"]
    few = replace(bench, method=Method(9, 1.0))
    assert check_floor([whole, few], floor) == [
        "a[1].tflite: its speed cannot be judged from 9 rounds, expected at least 10"
    ]


def test_a_speed_below_the_floor_names_the_causes_of_either_time(tmp_path: Path) -> None:
    noisy = replace(measured("Keras", role="original"), turns={"predict": turns(20, noise=0.4)})
    (tmp_path / "floor.toml").write_text('["a.tflite"]\nspeed.Keras = 90\n', encoding="utf-8")
    (failure,) = check_floor([result(noisy, measured("a.tflite", 5.0))], read_floor(tmp_path / "floor.toml"))
    assert "the floor is 90 (unreliable: interval wider than ±12.5%: predict ±" in failure


def test_noise_is_no_regression_and_nan_is_one(tmp_path: Path) -> None:
    noisy = replace(measured("a.tflite"), turns={"predict": turns(20, noise=0.3)})
    whole = result(measured("Keras", 20.0, seed=3, role="original"), noisy)
    (tmp_path / "floor.toml").write_text('["a.tflite"]\nspeed.Keras = 1.05\n', encoding="utf-8")
    speed = whole.speed(noisy)
    assert speed is not None
    assert speed.estimate < 1.05 < speed.high
    assert check_floor([whole], read_floor(tmp_path / "floor.toml")) == []
    broken = replace(noisy, answers=Answers({"accuracy": float("nan")}, float("nan"), float("nan")))
    (tmp_path / "floor.toml").write_text(
        '["a.tflite"]\naccuracy = 0\nagreement = 0\nlargest_difference = 9\n', encoding="utf-8"
    )
    assert len(check_floor([result(broken)], read_floor(tmp_path / "floor.toml"))) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy = 0.9", "accuracy: found 0.9, expected names with values"),
        ("", "the file is empty"),
        ('["a.tflite"]', "no limits; expected"),
        ('["a.tflite"]\nlatency = 3', "unknown figure 'latency'; expected one of accuracy, f1"),
        ('["a.tflite"]\naccuracy = "high"', "accuracy: found 'high', expected a number"),
        ('["a.tflite"]\naccuracy = true', "accuracy: found True, expected a number"),
        ('["a.tflite"]\naccuracy = nan', "accuracy: found nan, expected a number"),
        ('["a.tflite"]\nspeed = 3', "a.tflite.speed: found 3, expected names with values"),
        ("= 3", "cannot be read as TOML"),
    ],
)
def test_a_floor_that_makes_no_sense_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "floor.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as refusal:
        read_floor(tmp_path / "floor.toml")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_changes_say_what_got_faster_what_slower_and_what_is_noise() -> None:
    before = result(measured("same", 20.0), measured("faster", 20.0), measured("slower", 20.0), measured("gone", 20.0))
    after = result(
        measured("same", 20.0, seed=5),
        measured("faster", 15.0, seed=6, sha256="1" * 64),
        measured("slower", 25.0, seed=7),
        measured("new", 20.0),
    )
    changes = {change.name: change for change in find_changes([before, after])}
    assert {name: change.verdict for name, change in changes.items()} == {
        "same": NO_DIFFERENCE,
        "faster": "faster",
        "slower": "slower",
    }
    assert changes["faster"].speed.estimate == pytest.approx(4 / 3, rel=0.02)
    assert [change.same_file for change in changes.values()] == [True, False, True]
    doubted = find_changes([before, result(measured("slower", turns={"predict": turns(40.0, noise=0.3)}))])
    assert {change.verdict for change in doubted if change.name == "slower"} == {"slower, unreliable times"}
    cold = replace(after, method=Method(12, 1.0, cold=True), threads=2)
    verdicts = {change.verdict for change in find_changes([before, cold]) if change.name == "slower"}
    assert verdicts == {"slower, measured with other caches, threads"}
    third = find_changes([before, after, after])
    assert [(each.first, each.later) for each in third if each.name in ("same", "new")] == [(0, 1), (0, 2), (1, 2)]
    assert np.isfinite([each.speed.low for each in third]).all()


def test_artifacts_of_another_model_are_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    keras = replace(KERAS, source_sha256="a" * 64)
    ours = replace(artifact("ours.tflite", 9, size=200), source_sha256="a" * 64)
    other = replace(artifact("other.tflite", 1, f1=0.99, size=100), source_sha256="b" * 64)
    seen = result(keras, ours, other, task=Task("multilabel"))
    verdict = judge(seen)
    judged = (verdict.smallest, verdict.fastest, verdict.most_accurate, verdict.recommended)
    assert [each and each.name for each in judged] == ["ours.tflite"] * 4
    print_result(seen)
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "✗ Artifacts of another model, which are not judged:"
    assert second.startswith("    other.tflite: exported from another model")
    assert [line.split()[1] for line in rest if line.strip().startswith("other.tflite ")] == ["✗"]
    alone = judge(result(keras, other, task=Task("multilabel")))
    assert (alone.recommended, alone.why) == (None, "every artifact was exported from another model")


@pytest.mark.parametrize(
    ("device", "quantizations"),
    [
        ("pi5", {"float32", "float16", "dynamic", "int8", "int16x8"}),
        ("pi2", {"float32", "float16", "int8", "int16x8"}),
        ("pizero", {"float32", "int8"}),
        ("mcu", {"float32", "int8", "int16x8"}),
        ("browser", set()),
    ],
)
def test_files_that_the_native_kernels_refuse_go_to_the_devices_next_backend(
    device: str, quantizations: set[str]
) -> None:
    every = ("float32", "float16", "dynamic", "int8", "int16x8")
    assert {each for each in every if profile_named(device).runs(".tflite", each)} == quantizations
