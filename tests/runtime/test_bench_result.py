"""A result: its document, its doubts, and documents that are refused."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import STATE, measured, result, turns

from edgernn.bench.document import FORMAT, as_json, dump, read_result
from edgernn.bench.result import Answers, unique_names
from edgernn.bench.statistics import MAX_SPREAD, TIE, summarize
from edgernn.bench.stopwatch import Method, Round
from edgernn.errors import DataError, SettingError
from edgernn.system.machine import Memory
from edgernn.tasks import Task


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    before = result(
        measured(
            "a.tflite",
            role="original",
            memory=Memory(50_000_000, 53_000_000),
            answers=Answers({"r2": 0.9, "mae": 0.1}, 0.99, 0.1),
        ),
        measured("b.tflite", answers=Answers({"r2": float("nan"), "mae": 1.0}, float("nan"), 1.0)),
        task=Task("regression"),
    )
    (tmp_path / "result.json").write_text(dump(before), encoding="utf-8")
    after = read_result(tmp_path / "result.json")
    assert json.loads(dump(after)) == json.loads(dump(before))
    assert after.subjects[0].memory == before.subjects[0].memory
    assert after.task == before.task
    for old, new in zip(before.subjects, after.subjects, strict=True):
        assert old.latencies == new.latencies
    nan = after.subjects[1].answers
    assert nan is not None
    assert np.isnan([nan.agreement, nan.measures["r2"]]).all()


def test_statistics_in_the_document_are_ignored(tmp_path: Path) -> None:
    document = as_json(result())
    document["subjects"][0]["statistics"]["predict"]["median_us"] = 1.0
    (tmp_path / "result.json").write_text(json.dumps(document), encoding="utf-8")
    assert read_result(tmp_path / "result.json").subjects[0].predict.median_us == pytest.approx(20, rel=0.01)


def change(path: list[Any], value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        *way, last = path
        place: Any = document
        for key in way:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return apply


ROUND = ["subjects", 0, "turns", "predict", 0]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], 1, f"expected a result of format {FORMAT}, found 1; measure again"),
        (["format"], ..., "found None"),
        (["subjects"], ..., "not a result; expected what `edgernn bench --json`"),
        (["subjects"], [], "subjects are none; expected different names, one of them the baseline's"),
        (["subjects", 0, "role"], "spy", "role 'spy'"),
        (["subjects", 0, "turns", "predict"], ..., "expected 12 of 'predict', one per round"),
        (["subjects", 0, "turns", "invoke"], [], "0 of 'invoke'"),
        ([*ROUND, "ns"], [0, 1, 2], "found 0, expected a whole number from 1"),
        ([*ROUND, "count"], [1, 1], "3 times in 'ns' and 2 in 'count', expected equally many"),
        ([*ROUND, "count"], [1 << 50, 1, 1], "times, expected at most 20,000,000"),
        ([*ROUND, "ns"], [1 << 70, 1, 1], "found 1180591620717411303424, expected a whole number"),
        ([*ROUND, "ns"], ["a", "b", "c"], "found 'a', expected a whole number"),
        ([*ROUND, "batch"], 10**400, "found 10000"),
        (["subjects", 1, "name"], "a.tflite", "expected different names"),
        (["baseline"], "c.tflite", "one of them the baseline's"),
        (["machine"], 3, "found 3, expected names with values"),
        (["before", "throttled"], ..., "'throttled' is missing"),
        (["after", "throttled"], 0.5, "found 0.5, expected a whole number from 0"),
        (["after", "temperature_c"], "hot", "found 'hot', expected a number"),
        (["machine", "board"], ..., "'board' is missing"),
        (["machine", "cores"], "four", "found 'four', expected a whole number"),
        (["machine", "board"], ["x"], "found ['x'], expected a text"),
        (["subjects", 0, "name"], "\x1b[2J", "expected a text without control characters"),
        (["subjects", 0, "size_bytes"], 0, "expected a whole number from 1"),
        (["subjects", 1, "turns", "predict"], [{}], "'count' is missing"),
        (["subjects", 0, "role"], "artifact", "a task, but no original with answers"),
        (["subjects", 1, "answers", "measures", "accuracy"], 2.0, "'accuracy': 2.0"),
        (["subjects", 1, "answers", "agreement"], 5, "agreement 5.0, expected 0.0 to 1, or null"),
        (["subjects", 1, "answers", "largest_difference"], -3, "a difference below 0"),
        (["limits"], {}, "'max_drop_points' is missing"),
        (["limits", "min_agreement"], "0.7", "found '0.7', expected a number"),
        (["others_cores"], float("nan"), "NaN is not JSON"),
        (["subjects", 0, "answers", "measures"], {"r2": 1.0}, "'accuracy' is missing"),
        (["task"], {"kind": "fortune", "logits": False}, "task 'fortune'"),
        (["method", "rounds"], "many", "found 'many', expected a whole number from 1 to 1,000"),
    ],
)
def test_a_damaged_document_is_one_line(tmp_path: Path, path: list[Any], value: Any, message: str) -> None:
    document = as_json(result())
    change(path, value)(document)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError) as refusal:
        read_result(file)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(str(file))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_json_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    for text in ("{", "[]", '"a"', "\x00", "[" * 100_000):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(DataError):
            read_result(file)
    with pytest.raises(DataError, match="no such file"):
        read_result(tmp_path / "missing.json")


def test_a_quiet_machine_gives_no_reason_to_doubt() -> None:
    assert result().believed


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"after": {**STATE, "throttled": 0x50005}}, "throttled (after): undervoltage, throttled, undervoltage since"),
        ({"before": {**STATE, "throttled": 0x20000}}, "throttled (before): the clock was capped since it was started"),
        ({"frequencies_mhz": (1800.0, 1500.0)}, "the clock changed from 1,500 to 1,800 MHz"),
        ({"others_cores": 1.9}, "other processes kept 1.9 of 4 cores busy"),
    ],
)
def test_a_disturbed_machine_is_named_only_as_the_cause_of_wide_intervals(changed: dict[str, Any], reason: str) -> None:
    assert result(**changed).believed
    assert not result(**changed).doubts
    noisy, fine = measured("a.tflite"), measured("b.tflite")
    noisy = replace(noisy, turns={**noisy.turns, "predict": turns(20, noise=0.4)})
    doubted = result(noisy, fine, **changed)
    assert not doubted.believed
    assert reason in " ".join(doubted.doubts)
    first, second = as_json(doubted)["subjects"]
    assert first["doubts"][0].startswith("interval wider than ±12.5%: predict ±")
    assert (reason in " ".join(first["doubts"]), second["doubts"]) == (True, [])


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"cpu_share": 0.9}, "other processes used its core for"),
        ({"settled": False}, "predict still got faster at the end of the warm-up"),
    ],
)
def test_a_disturbed_subject_is_doubted_only_with_a_wide_interval(facts: dict[str, Any], reason: str) -> None:
    facts_of = measured("a.tflite")
    for noise, unreliable in ((0.002, ()), (0.4, ("predict",))):
        doubted = replace(facts_of, turns={**facts_of.turns, "predict": turns(20, noise=noise, **facts)})
        both, fine = result(doubted, measured("b.tflite")), measured("b.tflite")
        assert doubted.unreliable == unreliable
        assert (reason in " ".join(both.doubts_of(doubted))) == bool(unreliable)
        assert not both.doubts_of(fine)
        assert both.believed == (not unreliable)


def scaled(factors: Sequence[float], median_us: float = 1000.0) -> tuple[Round, ...]:
    return tuple(Round(np.array([round(1000 * median_us * factor)], np.int64)) for factor in factors)


def test_the_limit_of_an_interval_is_the_tie_of_the_verdict() -> None:
    assert pytest.approx((TIE - 1) / 2) == MAX_SPREAD
    narrow, wide = (scaled(15 * [1 - share] + 15 * [1 + share]) for share in (0.12, 0.13))
    for rounds, reliable in ((narrow, True), (wide, False)):
        latency = summarize(rounds)
        assert latency.spread == pytest.approx(0.12 if reliable else 0.13)
        assert latency.is_reliable == reliable


def test_few_rounds_make_every_time_unreliable() -> None:
    few = measured("a.tflite")
    few = replace(few, turns={call: rounds[:9] for call, rounds in few.turns.items()})
    doubted = result(few, method=Method(9, 1.0))
    assert few.unreliable == ("invoke", "predict")
    assert doubted.doubts_of(few) == ("9 rounds, expected at least 10",)
    assert result(measured("a.tflite"), method=Method(12, 0.1)).believed


def test_a_speed_is_unreliable_with_one_of_its_times_or_its_own_interval() -> None:
    quiet, base = measured("a.tflite"), measured("b.tflite", seed=1)
    noisy = replace(base, turns={**base.turns, "predict": turns(20, noise=0.4)})
    assert result(base, quiet).is_speed_reliable(quiet)
    assert not result(noisy, quiet).is_speed_reliable(quiet)
    assert not result(quiet, noisy).is_speed_reliable(noisy)
    assert result(noisy, quiet).is_speed_reliable(noisy)  # the baseline itself, 1 by definition
    # Both times are within the limit; their opposite changes are not.
    up, down = scaled(6 * [0.89] + 6 * [1.11]), scaled(6 * [1.11] + 6 * [0.89])
    one, other = (replace(each, turns={"predict": rounds}) for each, rounds in ((quiet, up), (base, down)))
    assert not one.unreliable
    assert not other.unreliable
    both = result(one, other)
    assert not both.is_speed_reliable(other)
    speeds = [row["speed"]["reliable"] for row in as_json(both)["subjects"]]
    assert speeds == [True, False]


def test_speeds_are_against_the_baseline() -> None:
    both = result()
    first, second = both.subjects
    speed = both.speed(second)
    assert speed is not None
    assert speed.estimate == pytest.approx(0.5, rel=0.01)
    against = both.speed(first, against="b.tflite")
    assert against is not None
    assert against.estimate == pytest.approx(2, rel=0.01)
    assert both.speed(first, call="step") is None
    with pytest.raises(SettingError, match=r"no subject 'c'; expected one of a\.tflite, b\.tflite"):
        both.speed(first, against="c")


def test_a_latency_is_that_of_its_rounds() -> None:
    subject = measured("a.tflite")
    assert subject.latencies["invoke"] == summarize(subject.turns["invoke"])
    assert subject.median_ms == pytest.approx((2.0, 2.2), rel=0.02)


def test_names_are_long_only_where_they_must_be() -> None:
    assert unique_names(["a", "b", "a"], ["x/a", "x/b", "y/a"]) == ["x/a", "b", "y/a"]
