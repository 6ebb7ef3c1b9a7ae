import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from made_up import measured, result
from made_up_report import make_turns, sensor_evidence

from edgernn.bench.document import dump, read_result
from edgernn.bench.result import Answers, Result
from edgernn.bench.stopwatch import Round
from edgernn.bench.subjects import PREDICT
from edgernn.bench.verdict import describe_devices, judge
from edgernn.errors import DataError
from edgernn.system.machine import Memory
from edgernn.tasks import REGRESSION, Task
from edgernn_benchmarks.changes import find_changes
from edgernn_benchmarks.report.figures import Point, draw_trade
from edgernn_benchmarks.report.label_placement import place_labels
from edgernn_benchmarks.report.page import render, short_names, write_html

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert('$x_1$ &amp;')</script>.tflite"
SECTIONS = {
    *(
        "figures",
        "trade",
        "latencies",
        "classes",
        "disagreements",
        "mistakes",
        "corruptions",
        "samples",
        "rows",
        "training",
        "environment",
        "method",
    ),
}


class Page(HTMLParser):
    """Contents of a page: sections, addresses, ids, tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
                self.sections += [value or ""] if tag == "section" else []
            if name in ("href", "src", "srcset", "action", "xlink:href", "data"):
                self.addresses.append(value or "")

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.words.append(data)


@pytest.fixture(scope="module")
def page(made_up_result: Result) -> str:
    return render([made_up_result])


def test_a_classification_has_every_section(page: str) -> None:
    assert set(Page(page).sections) == SECTIONS
    assert all(f'href="#{name}"' in page for name in SECTIONS)


def test_it_needs_nothing_else(page: str) -> None:
    read = Page(page)
    assert read.addresses
    assert all(each.startswith(("#", "data:")) for each in read.addresses)
    assert "http" not in re.sub('http-equiv="Content-Security-Policy"', "", page)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_are_unique_and_what_refers_to_them_finds_them(page: str) -> None:
    read = Page(page)
    assert len(read.ids) == len(set(read.ids))
    wanted = {each[1:] for each in read.addresses if each.startswith("#")} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert wanted <= set(read.ids)


def test_figures_have_the_colours_of_the_page(page: str) -> None:
    pictures = "".join(re.findall("<svg.*?</svg>", page, re.S))
    assert "var(--accent)" in pictures
    assert not re.search("#[0-9a-f]{6}", pictures)
    style = page[page.index("<style>") : page.index("</style>")]
    assert set(re.findall(r"var\((--\w+)\)", pictures)) <= set(re.findall(r"(--\w+):", style))


def test_the_verdict_is_a_sentence(page: str, made_up_result: Result) -> None:
    text = Page(page).text
    assert judge(made_up_result).sentence in text
    assert "Ship digits-int8.tflite: " in text
    assert all(line in text for line in ("By device (--for):", *describe_devices(made_up_result)))
    assert re.search(r"int8.tflite is the .*; the smallest, fastest and most accurate is", text)
    assert "These samples" in text  # all of those on which an artifact and the original disagree
    assert "Unreliable times" not in text
    assert made_up_result.believed


def test_the_same_result_gives_the_same_file(page: str, made_up_result: Result, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(dump(made_up_result), encoding="utf-8")
    write_html(tmp_path / "new" / "report.html", [read_result(file)])
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == page


def test_the_command_needs_only_the_packages_of_its_extra(page: str, made_up_result: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(dump(made_up_result), encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    others = {"tensorflow", "keras", "h5py", "onnx", "tf2onnx", "litert_quantizer", "ai_edge_litert", "onnxruntime"}
    names = {re.split("[>=<]", each)[0] for each in project["optional-dependencies"]["report"]}
    assert names == {"rich", "jinja2", "matplotlib", "pillow"}
    # None in sys.modules makes an import fail.
    program = (
        f"import sys; sys.modules |= dict.fromkeys({sorted(others)})\n"
        "from edgernn.cli import main; main(['report', 'result.json', '--html', 'report.html'])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_hostile_names_and_labels_are_text(made_up_result: Result) -> None:
    document = json.loads(json.dumps(made_up_result.evidence).replace("digits-int8.tflite", "EVIL"))
    document = json.loads(json.dumps(document).replace('"EVIL"', json.dumps(EVIL)))
    document["labels"][0] = EVIL
    document["conditions"][0] = EVIL
    document["history"][EVIL] = document["history"].pop("accuracy")
    for kind in ("examples", "disagreements"):
        for each in document["pictures"][kind]:
            each["condition"] = EVIL
    subjects = [replace(each, backend=EVIL) for each in made_up_result.subjects]
    subjects[1] = replace(subjects[1], name=EVIL)
    machine = {**made_up_result.machine, "cpu": EVIL, "board": '"><img src=x onerror=alert(1)>'}
    text = render([replace(made_up_result, subjects=tuple(subjects), evidence=document, machine=machine)])
    read = Page(text)
    assert read.tags.count("script") == 1
    assert all(each.startswith(("#", "data:")) for each in read.addresses)
    assert "onerror" in read.text
    assert "<script>alert" not in text
    assert "alert('$x_1$" in read.text


def test_invisible_characters_do_no_harm(made_up_result: Result) -> None:
    subjects = list(made_up_result.subjects)
    subjects[2] = replace(subjects[2], name="digits-\x1b\u202e文字\ud800-" + 200 * "x" + ".onnx")
    lines = {"\x1b": [0.5, 0.7], "\x00": [0.5, 0.6]}
    rows = {"steps": 2, "samples": 9, "unit": "row", "accuracy": lines, "settled": lines}
    evidence = {"rows": rows, "history": {"\x07": [1.0, 2.0]}}
    render([replace(made_up_result, subjects=tuple(subjects), evidence=evidence)]).encode("utf-8", "replace")


def uneven(rounds: tuple[Round, ...], **facts: float) -> tuple[Round, ...]:
    """Return rounds of which every second one takes twice as long."""
    factors = [1 + number % 2 for number in range(len(rounds))]
    return tuple(
        replace(each, durations_ns=each.durations_ns * factor, **facts)
        for each, factor in zip(rounds, factors, strict=True)
    )


def test_what_is_not_to_be_believed_is_marked(made_up_result: Result) -> None:
    subjects = list(made_up_result.subjects)
    turns = uneven(subjects[1].turns[PREDICT], cpu_share=0.6)
    subjects[1] = replace(subjects[1], turns={PREDICT: turns})
    result = replace(made_up_result, subjects=tuple(subjects), frequencies_mhz=(600.0, 1500.0), evidence={})
    text = Page(render([result])).text
    assert "Unreliable times" in text
    assert "the clock changed from 600 to 1,500 MHz" in text
    assert "1 of 3 subjects has times that are too uncertain to compare files by" in text
    assert re.search(r"⚠ digits-int8.tflite: interval wider than ±12.5%: predict ±\d+%; other processes used its", text)
    # The time and the speed are marked, and no other figure.
    assert text.count("⚠") == render([made_up_result]).count("⚠") + 4


def test_a_bench_without_an_original(made_up_result: Result) -> None:
    artifacts = tuple(replace(each, answers=None) for each in made_up_result.artifacts)
    result = replace(
        made_up_result, subjects=artifacts, baseline=artifacts[0].name, task=None, samples=0, limits={}, evidence={}
    )
    read = Page(render([result]))
    assert set(read.sections) == {"figures", "trade", "latencies", "environment", "method"}
    assert "agreement" not in read.text.lower()
    assert "nan" not in read.text.lower().split()


def test_files_that_cannot_be_recommended_have_their_reasons(made_up_result: Result, tmp_path: Path) -> None:
    keras, first, second = made_up_result.subjects
    bad = replace(first, answers=Answers({"accuracy": 0.1, "f1": 0.1}, 0.1, 0.9))
    other = replace(second, source_sha256="b" * 64)
    result = replace(
        made_up_result,
        subjects=(replace(keras, source_sha256="a" * 64), bad, other),
        left_out={"stock-tflite.tflite": f"ConverterError: {EVIL}"},
        evidence={},
    )
    (tmp_path / "result.json").write_text(dump(result), encoding="utf-8")
    text = Page(render([read_result(tmp_path / "result.json")])).text
    found = text[text.index("Files that cannot be recommended") :]
    assert "digits-int8.tflite: accuracy 10.00%, the original's is " in found
    assert "digits-float32.onnx: exported from another model, digest bbbbbbbbbbbb…" in found
    assert f"stock-tflite.tflite: ConverterError: {EVIL}" in found
    assert "cannot be recommended" not in Page(render([made_up_result])).text


def test_columns_that_decide_nothing_are_behind_more(page: str) -> None:
    before, _, behind = page.partition('<details class="more">')
    heads = [re.findall(r"<button.*?<span>(.*?)</span>", part) for part in (before, behind)]
    assert heads[0] == ["subject", "size", "accuracy", "agreement", "predict", "speed"]
    assert heads[1][:3] == ["subject", "largest difference", "p95"]


def test_sensor_windows_are_lines_with_the_names_of_features(made_up_result: Result) -> None:
    evidence = sensor_evidence()
    evidence["pictures"]["names"][2] = f"{EVIL}temperature"
    read = Page(render([replace(made_up_result, evidence=evidence)]))
    assert read.tags.count("polyline") == 4 * 9
    assert read.text.count(f"{EVIL}temperature") == 4 + 1  # each window, and the ranges
    assert "temperature -3.5 to 40" in read.text
    assert "read as walking downstairs 1" in read.text
    assert "img" not in read.tags
    del evidence["pictures"]["names"], evidence["pictures"]["low"]
    assert "feature 3" in Page(render([replace(made_up_result, evidence=evidence)])).text
    # Pixels stay a picture.
    evidence["pictures"] |= {"steps": 20, "features": 18}
    assert Page(render([replace(made_up_result, evidence=evidence)])).tags.count("img") == 4


def test_a_single_artifact_and_numbers_that_are_none(made_up_result: Result) -> None:
    nothing = Answers({"accuracy": float("nan"), "f1": float("nan")}, float("nan"), float("nan"))
    keras, artifact = (replace(each, answers=nothing) for each in made_up_result.subjects[:2])
    for subjects in ((keras, artifact), (replace(artifact, memory=Memory(60_000_000, 80_000_000)),), (keras,)):
        result = replace(made_up_result, subjects=subjects, baseline=subjects[0].name, evidence={})
        text = Page(render([result])).text
        assert "nan" not in text.lower().split()


def test_a_regression(made_up_result: Result) -> None:
    answers = Answers({"r2": 0.98, "mae": 0.012}, 0.999, 0.01)
    values = {"output": "x", "truth": [0.0, 1.0], "answers": {"Keras": [0.1, 0.9], "digits-int8.tflite": [0.1, None]}}
    result = replace(
        made_up_result,
        task=Task(REGRESSION),
        subjects=tuple(replace(each, answers=answers) for each in made_up_result.subjects),
        evidence={"values": values},
    )
    read = Page(render([result]))
    assert set(read.sections) == {"figures", "trade", "latencies", "values", "environment", "method"}
    assert "MAE" in read.text


@pytest.mark.parametrize(("factor", "word"), [(1.0, "no difference seen"), (0.5, "faster"), (2.0, "slower")])
def test_several_results_are_compared(made_up_result: Result, factor: float, word: str) -> None:
    quicker = tuple(
        replace(each, turns={PREDICT: make_turns(each.predict.median_us * factor, seed=1)})
        for each in made_up_result.subjects
    )
    found = find_changes([made_up_result, replace(made_up_result, subjects=quicker)])
    assert [each.name for each in found] == [each.name for each in made_up_result.subjects]
    assert {(each.first, each.later, each.verdict) for each in found} == {(0, 1, word)}


def test_a_page_of_several_results(made_up_result: Result) -> None:
    quicker = [
        replace(each, turns={PREDICT: uneven(make_turns(each.predict.median_us / 8))})
        for each in made_up_result.subjects
    ]
    doubted = replace(
        made_up_result, subjects=tuple(quicker), frequencies_mhz=(600.0, 1500.0), started="2026-11-28T12:00:00+00:00"
    )
    read = Page(render([replace(made_up_result, evidence={}), doubted]))
    assert "between" in read.sections
    assert read.text.count("2026-11-28 12:00") > 3
    assert read.text.count("faster, unreliable times") == 3
    assert "Times of A Processor, 2026-11-28 12:00 are unreliable, too" in read.text


@pytest.mark.parametrize(
    "evidence",
    [
        {"labels": ["a"], "truth": [0, 7], "decisions": {"Keras": [0, 0]}},
        {"labels": ["a"], "truth": [0], "decisions": {"Keras": "no"}},
        {"labels": ["a"], "truth": [0], "decisions": {"another": [0]}},
        {"pictures": {"steps": 2, "features": 2, "scale": "", "examples": [{"pixels": "AAA"}], "disagreements": []}},
        {"rows": {"accuracy": {}}},
        {"corruptions": {"samples": 5, "accuracy": {"a": {"clean": 1.0}, "b": {}}}},
        {"history": {"loss": ["high"]}},
        {"values": {"truth": [1.0]}},
    ],
)
def test_damaged_evidence_is_refused(made_up_result: Result, evidence: dict[str, object]) -> None:
    with pytest.raises(DataError, match="the evidence of the result of 2026-11-27"):
        render([replace(made_up_result, evidence=evidence)])


def test_the_templates_are_in_the_package() -> None:
    inside = {each.name for each in files("edgernn_benchmarks.report").joinpath("templates").iterdir()}
    assert inside >= {"report.html.j2", "report.css", "report.js"}


def test_names_are_shown_without_their_common_prefix() -> None:
    def shown(*names: str) -> list[str]:
        roles = {"Keras": "original", "stock-tflite.tflite": "peer"}
        subjects = [measured(name, role=roles.get(name, "artifact")) for name in names]
        return list(short_names(result(*subjects)).values())

    names = ["Keras", "my-net-int8.tflite", "my-net-int8-loop.tflite", "my-net-float32.onnx", "stock-tflite.tflite"]
    assert shown(*names) == ["Keras", "int8.tflite", "int8-loop.tflite", "float32.onnx", "stock-tflite.tflite"]
    assert shown("a.tflite", "b-a.tflite") == ["a.tflite", "b-a.tflite"]
    assert shown("net-int8.tflite") == ["net-int8.tflite"]


@pytest.mark.parametrize(
    ("measures", "times_us", "expected"),
    [
        # Times from 10 µs to half a second: the second axis spans 4 powers of ten and has room for two numbers.
        ((1.0, 0.998, 1.0), (10.0, 42.0, 900.0, 480_000.0), ["99.80%", "100.00%", "10 µs", "20 µs", "40 µs", "100 ms"]),
        ((0.667, 0.67, 0.67), (71.0, 180.0, 1_060.0, 430_000.0), ["66.7%", "66.9%", "100 µs", "1 ms", "100 ms"]),
    ],
)
def test_axes_have_round_numbers(measures: list[float], times_us: list[float], expected: list[str]) -> None:
    values = [*measures, measures[0]]
    points = [
        Point(f"p{place}", time, measure, size_bytes=100, artifact=place < 2, best=place == 0, chosen=False)
        for place, (time, measure) in enumerate(zip(times_us, values, strict=True))
    ]
    drawn = draw_trade(points, "accuracy", share=True, lower_is_better=False)
    ticks = [each for each in re.findall(r"<text [^>]*>([^<]+)</text>", drawn) if re.search(r"\d(%| µs| ms| s)$", each)]
    assert set(expected) <= set(ticks)
    assert not [each for each in ticks if each.endswith("%") and float(each[:-1]) > 100]
    assert len(ticks) == len(set(ticks))


@pytest.mark.parametrize(
    ("values", "expected"), [((0.974, 0.98), ["0.974", "0.980"]), ((9_000, 31_000), ["10,000", "30,000"])]
)
def test_numbers_of_an_axis_have_equally_many_decimals(values: tuple[float, float], expected: list[str]) -> None:
    points = [Point(f"p{value}", 10 * value, value, 100, artifact=True, best=True, chosen=False) for value in values]
    drawn = draw_trade(points, "R²", share=False, lower_is_better=False)
    ticks = re.findall(r">([\d.,]+)</text>", drawn)
    assert set(expected) <= set(ticks)
    assert len({len(each.partition(".")[2]) for each in ticks}) == 1


def test_labels_do_not_cover_each_other_where_there_is_room() -> None:
    centres = np.array([(100.0, 100.0), (104.0, 101.0), (98.0, 104.0)])
    labels = place_labels(centres, [4, 4, 4], ["one", "two", "three"], (0, 0, 300, 300))
    assert len({(label.x, label.y) for label in labels}) == 3
    names = ("one", "two", "three")
    boxes = [(label.x, label.y - 7, 7 * len(name)) for label, name in zip(labels, names, strict=True)]
    for (one, low, width), (other, bottom, wide) in combinations(boxes, 2):
        assert one + width <= other or other + wide <= one or low + 14 <= bottom or bottom + 14 <= low
