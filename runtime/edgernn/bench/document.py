"""A result as one JSON document: raw times and facts, from which every statistic can be computed again."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from edgernn.bench.profiles import PROFILES
from edgernn.bench.result import ROLES, Answers, Measured, Result
from edgernn.bench.stopwatch import Method, Round
from edgernn.bench.subjects import PREDICT
from edgernn.bench.verdict import judge, recommend_by_device
from edgernn.errors import DataError
from edgernn.json_values import as_flag, as_mapping, as_number, as_optional, as_text, as_whole
from edgernn.system.files import check_file, to_json
from edgernn.system.machine import Memory
from edgernn.tasks import REGRESSION, Task

FORMAT = 2
MAX_BYTES = 256 << 20
# About the number of times of 60 artifacts with the default of 1 s per call.
MAX_TIMES = 20_000_000
MAX_ROUNDS = 1000
_MACHINE = ("cpu", "machine", "system", "kernel", "python")
_STATE = ("load", "frequency_mhz", "highest_mhz", "temperature_c")


def as_json(result: Result) -> dict[str, Any]:
    """Return the document, for `to_json`; its statistics are for other programs, `read_result` ignores them."""
    task = {"kind": result.task.kind, "logits": result.task.logits} if result.task else None
    return {
        "format": FORMAT,
        "started": result.started,
        "method": {
            **asdict(result.method),
            "isolated": result.isolated,
            "threads": result.threads,
            "clock_step_ns": result.clock_step_ns,
        },
        "machine": dict(result.machine),
        "before": dict(result.before),
        "after": dict(result.after),
        "others_cores": result.others_cores,
        "frequencies_mhz": list(result.frequencies_mhz),
        "task": task,
        "samples": result.samples,
        "baseline": result.baseline,
        "limits": dict(result.limits),
        "profile": result.profile,
        "verdict": _verdict_as_json(result),
        "believed": result.believed,
        "doubts": list(result.doubts),
        "subjects": [_subject_as_json(result, subject) for subject in result.subjects],
        "left_out": dict(result.left_out),
        "evidence": dict(result.evidence),
    }


def _verdict_as_json(result: Result) -> dict[str, Any] | None:
    if not result.artifacts:
        return None
    verdict = judge(result)
    return {
        "smallest": verdict.smallest.name,
        "fastest": verdict.fastest.name,
        "most_accurate": verdict.most_accurate.name if verdict.most_accurate else None,
        "recommended": verdict.recommended.name if verdict.recommended else None,
        "why": verdict.why,
        "sentence": verdict.sentence,
        "by_device": {device: best.name if best else None for device, best in recommend_by_device(result).items()},
    }


def _subject_as_json(result: Result, subject: Measured) -> dict[str, Any]:
    speed = result.speed(subject)
    return {
        "name": subject.name,
        "role": subject.role,
        "backend": subject.backend,
        "size_bytes": subject.size_bytes,
        "sha256": subject.sha256,
        "source_sha256": subject.source_sha256,
        "exact_stream": subject.exact_stream,
        "of_another_model": subject in result.strangers,
        "quantization": subject.quantization,
        "layout": subject.layout,
        "verified": subject.verified,
        "input_shape": list(subject.input_shape),
        "answers": _answers_as_json(subject.answers) if subject.answers else None,
        "memory": asdict(subject.memory) if subject.memory else None,
        "doubts": list(result.doubts_of(subject)),
        "statistics": {
            call: {**asdict(latency), "per_second": latency.per_second} for call, latency in subject.latencies.items()
        },
        "unreliable": list(subject.unreliable),
        "speed": {**asdict(speed), "verdict": speed.verdict, "reliable": result.is_speed_reliable(subject)}
        if speed
        else None,
        "turns": {call: [_round_as_json(each) for each in rounds] for call, rounds in subject.turns.items()},
    }


def _answers_as_json(answers: Answers) -> dict[str, Any]:
    """Return answers for JSON: null in place of all measures means not known, in place of one measure NaN."""
    return {**asdict(answers), "measures": answers.measures or None}


def read_result(path: Path) -> Result:
    """Read a result that `--json` wrote.

    Raises:
        DataError: it cannot be read, is of another format, or is not a result.
    """
    check_file(path, DataError, MAX_BYTES)
    try:
        # json detects the encoding of bytes; some shells write UTF-16.
        document = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(document, dict) or "subjects" not in document:
        raise DataError(f"{path}: not a result; expected what `edgernn bench --json` or `edgernn compare --json` write")
    found = document.get("format")
    if found != FORMAT or isinstance(found, bool):
        raise DataError(
            f"{path}: expected a result of format {FORMAT}, found {found!r}; measure again with `edgernn bench --json` "
            "or `edgernn compare --json`"
        )
    try:
        return _result(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: not a complete result: {what}") from error


def dump(result: Result) -> str:
    """Write the document as text."""
    return to_json(as_json(result), separators=(",", ":")) + "\n"


def _result(document: Mapping[str, Any]) -> Result:
    method, task = document["method"], document["task"]
    times = sum(
        sum(_from_1(count) for count in each["count"])
        for subject in document["subjects"]
        for rounds in subject["turns"].values()
        for each in rounds
    )
    if times > MAX_TIMES:
        raise ValueError(f"{times:,} times, expected at most {MAX_TIMES:,}")
    result = Result(
        started=as_text(document["started"]),
        method=Method(
            rounds=as_whole(method["rounds"], lowest=1, highest=MAX_ROUNDS),
            seconds=as_number(method["seconds"]),
            cold=as_flag(method["cold"]),
        ),
        isolated=as_flag(method["isolated"]),
        threads=_from_1(method["threads"]),
        clock_step_ns=_from_1(method["clock_step_ns"]),
        machine=_machine(document["machine"]),
        before=_state(document["before"]),
        after=_state(document["after"]),
        others_cores=as_optional(document["others_cores"], as_number),
        frequencies_mhz=tuple(map(as_number, document["frequencies_mhz"])),
        subjects=tuple(_measured(each, _from_1(method["rounds"])) for each in document["subjects"]),
        baseline=as_text(document["baseline"]),
        task=Task(as_text(task["kind"]), as_flag(task["logits"])) if task else None,
        samples=_from_0(document["samples"]),
        limits={as_text(name): as_number(limit) for name, limit in document["limits"].items()},
        # Absent from results of earlier versions.
        profile=_profile(document.get("profile", "")),
        left_out={as_text(name): as_text(reason) for name, reason in document.get("left_out", {}).items()},
        evidence=as_mapping(document["evidence"]),
    )
    _check(result)
    return result


def _check(result: Result) -> None:
    """Check that the parts of a result agree."""
    names = [subject.name for subject in result.subjects]
    if len(set(names)) < len(names) or result.baseline not in names:
        raise ValueError(
            f"subjects are {', '.join(names) or 'none'}; expected different names, one of them the baseline's"
        )
    if result.task is None:
        return
    if result.original is None:
        raise ValueError("a task, but no original with answers")
    result.limits["max_drop_points"], result.limits["min_agreement"]
    for subject in result.subjects:
        if subject.answers:
            _check_answers(result.task, subject.answers, result.headline is not None)


def _check_answers(task: Task, answers: Answers, measured: bool) -> None:
    shares = [answers.agreement, *(answers.measures[name] for name in task.measures if measured and name != "mae")]
    least = -math.inf if task.kind == REGRESSION else 0.0
    # A broken artifact has NaN.
    if any(not least <= share <= 1 for share in shares if not math.isnan(share)):
        raise ValueError(
            f"measures {dict(answers.measures)} with agreement {answers.agreement}, expected {least} to 1, or null"
        )
    if answers.largest_difference < 0 or answers.measures.get("mae", 0.0) < 0:
        raise ValueError("a difference below 0, expected 0 or more")


def _profile(value: Any) -> str:
    name = as_text(value)
    if name and name not in PROFILES:
        raise ValueError(f"profile {name!r}, expected one of {', '.join(PROFILES)}, or an empty text")
    return name


def _machine(value: Any) -> Mapping[str, Any]:
    machine = as_mapping(value)
    return {
        **{name: as_text(machine[name]) for name in _MACHINE},
        "board": as_optional(machine["board"], as_text),
        "cores": as_optional(machine["cores"], _from_1),
        "flags": [as_text(flag) for flag in machine["flags"]],
        "versions": {as_text(name): as_text(number) for name, number in machine["versions"].items()},
    }


def _state(value: Any) -> Mapping[str, Any]:
    state = as_mapping(value)
    figures = {name: as_optional(state[name], as_number) for name in _STATE}
    return {
        **figures,
        "governor": as_optional(state["governor"], as_text),
        "throttled": as_optional(state["throttled"], _from_0),
    }


def _measured(document: Mapping[str, Any], rounds: int) -> Measured:
    answers, memory = document["answers"], document["memory"]
    name, role = as_text(document["name"]), document["role"]
    if role not in ROLES:
        raise ValueError(f"role {role!r}, expected one of {', '.join(ROLES)}")
    turns = {as_text(call): tuple(map(_round, each)) for call, each in document["turns"].items()}
    # A subject that loads slowly is loaded in its first round only.
    if len(turns.get(PREDICT, ())) != rounds or any(len(each) not in (1, rounds) for each in turns.values()):
        found = ", ".join(f"{len(each)} of {call!r}" for call, each in turns.items())
        raise ValueError(f"{name}: 'turns' has {found or 'none'}, expected {rounds} of {PREDICT!r}, one per round")
    return Measured(
        name=name,
        role=role,
        backend=as_text(document["backend"]),
        size_bytes=_from_1(document["size_bytes"]),
        sha256=as_text(document["sha256"]),
        quantization=as_text(document["quantization"]),
        layout=as_text(document["layout"]),
        verified=as_flag(document["verified"]),
        input_shape=tuple(map(_from_1, document["input_shape"])),
        turns=turns,
        memory=Memory(_from_1(memory["steady_bytes"]), _from_1(memory["peak_bytes"])) if memory else None,
        answers=_answers(answers) if answers else None,
        # Absent from results of earlier versions.
        source_sha256=as_text(document.get("source_sha256", "")),
        exact_stream=as_flag(document.get("exact_stream", False)),
    )


def _answers(document: Mapping[str, Any]) -> Answers:
    measures = {as_text(name): _number(value) for name, value in (document["measures"] or {}).items()}
    return Answers(measures, _number(document["agreement"]), _number(document["largest_difference"]))


def _round_as_json(measured: Round) -> dict[str, Any]:
    values, counts = np.unique(measured.durations_ns, return_counts=True)
    return {
        "ns": values.tolist(),
        "count": counts.tolist(),
        "batch": measured.batch,
        "cpu_share": round(measured.cpu_share, 4),
        "settled": measured.settled,
    }


def _round(document: Mapping[str, Any]) -> Round:
    values, counts = (np.array([_from_1(each) for each in document[name]], np.int64) for name in ("ns", "count"))
    if values.shape != counts.shape or not len(values):
        raise ValueError(f"{len(values)} times in 'ns' and {len(counts)} in 'count', expected equally many, at least 1")
    return Round(
        durations_ns=np.repeat(values, counts),
        batch=_from_1(document["batch"]),
        cpu_share=as_number(document["cpu_share"]),
        settled=as_flag(document["settled"]),
    )


# Functions: a partial takes twice as long, and a result has up to millions of times.
def _from_0(value: Any) -> int:
    return as_whole(value, 0)


def _from_1(value: Any) -> int:
    return as_whole(value, 1)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _number(value: Any) -> float:
    return math.nan if value is None else as_number(value)
