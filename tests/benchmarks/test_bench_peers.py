import json
import re
from pathlib import Path

import numpy as np
import pytest

import edgernn
from common import exports
from common.bare_subjects import BareSubject, answer_all, from_artifact
from common.results import FORMAT
from edgernn.errors import DataError, ModelError
from peers import growth, stock, tools
from peers.bench_peers import PARTS, Results
from peers.contest import KINDS, choose_best, find_finalists
from peers.growth_laws import LESS, LINEAR, MORE, OFFSET, find_crossover, find_law
from peers.our_files import native_subject
from peers.peers_page import describe, read_peers
from peers.registry import ROUNDED, SAME, Peer

FOLDER = Path(__file__).parents[2] / "benchmarks" / "peers"
STEPS = (28, 64, 128, 256, 512)
INT8, LOOP = str(exports.INT8), str(exports.INT8_LOOP)


def row(name, tool, hot, cold, size=1000, agreement=1.0):
    return {
        "name": name,
        "tool": tool,
        "agreement": agreement,
        "size_bytes": size,
        "hot_us": [hot * noise for noise in (0.99, 1.0, 1.0, 1.01)],
        "cold_us": [cold * noise for noise in (0.99, 1.0, 1.0, 1.01)],
        "load_ms": 1.0,
        "export_s": 2.5,
    }


def growing(steps, target, hot, size=1000):
    figures = row("", "", hot, 2 * hot, size)
    return {"kind": "gru", "hidden": 64, "steps": steps, "target": target, **figures}


@pytest.fixture
def found():
    unrolled = [growing(steps, INT8, 0.25 * steps, 100 * steps) for steps in STEPS]
    # As quick as unrolled at 100 steps; interpolated in logarithms between the measured 64 and 128: 104.
    loop = [growing(steps, LOOP, 5 + 0.2 * steps) for steps in STEPS]
    model = {
        "kind": "gru",
        "title": "GRU(64)",
        "tools": ["MNN", "tract"],
        "rows": [
            row("edgernn tflite int8 unrolled", "edgernn", 10, 20, agreement=0.994),
            row("edgernn tflite int8 loop", "edgernn", 15, 18, 900),
            row("MNN float32, its operator", "MNN", 5, 40, 500),
        ],
        "missing": {"tract float32": "crashes when it is loaded or asked"},
        "slower": {"MNN int8": 7.5},
    }
    return {
        "format": FORMAT,
        "quick": False,
        "checked_samples": 500,
        "environment": {
            "cpu": "a processor",
            "cores": 2,
            "machine": "x86_64",
            "system": "Linux",
            "python": "3.11.7",
            "load": 0.5,
            "caches": {"L1 cache": 32 << 10, "L2 cache": 512 << 10},
            "versions": {"edgernn": "0.1.0", "mnn": "3.6.1"},
        },
        "models": [model],
        "growth": [*unrolled, *loop],
        "growth_missing": {"gru of 64 units, 512 steps, onnx float32 operator": "it was too long"},
    }


def test_linear_costs_have_the_exponent_one():
    law = find_law(STEPS, [0.25 * steps for steps in STEPS])
    assert law.kind == LINEAR
    assert law.exponent == pytest.approx(1)
    assert law.slope == pytest.approx(0.25)
    assert law.fixed == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("costs", "kind"),
    [
        ([40 + 0.25 * steps for steps in STEPS], OFFSET),
        ([steps**0.5 for steps in STEPS], LESS),
        ([steps**1.4 for steps in STEPS], MORE),
        ([7, 16, 32, 64, 200], MORE),
        ([90, 80, 70, 60, 50], LESS),
    ],
)
def test_other_costs_are_called_what_they_are(costs, kind):
    assert find_law(STEPS, costs).kind == kind


def test_a_bend_is_where_costs_begin_to_grow_faster():
    assert find_law(STEPS, [7, 16, 32, 64, 200]).bends_at == 256
    assert find_law(STEPS, [7, 16, 32, 64, 128]).bends_at is None


def test_the_crossover_is_where_the_costs_are_the_same():
    steps = (50, 200)
    # Both are straight lines in logarithms, so the result is exact: 1 × steps and 10 × √steps are equal at 100.
    at = find_crossover(steps, steps, [10 * length**0.5 for length in steps])
    assert at == pytest.approx(100)


def test_no_crossover_and_one_from_the_first_size_on():
    assert find_crossover(STEPS, [1] * 5, [2] * 5) is None
    assert find_crossover(STEPS, [2] * 5, [1] * 5) == 28
    # Quicker once and then not: there is no length from which on it is quicker.
    assert find_crossover(STEPS, [2, 2, 2, 2, 2], [3, 1, 3, 3, 3]) is None


def test_the_page_has_every_file_with_its_multiple_of_ours(found):
    page = describe(found)
    assert "| **edgernn tflite int8 unrolled** | 10.0 | 1 | 20.0 | 1 | 1,000 | 1.0 | 2.5 | 99.4 % |" in page
    assert "| MNN float32, its operator | 5.0 | 0.50 (0.50 to 0.50) | 40.0 | 2.00 (2.00 to 2.00) | 500 |" in page
    assert "- Hot, quicker than `edgernn tflite int8 unrolled`: `MNN float32, its operator`; no difference" in page
    assert "- Cold, quicker than `edgernn tflite int8 unrolled`: none; no difference seen: none." in page
    assert "- Smaller: `MNN float32, its operator`." in page
    assert "`MNN int8` 7.5" in page


def test_the_page_names_what_is_missing_and_why(found):
    page = describe(found)
    assert "- `tract float32`: crashes when it is loaded or asked" in page
    assert "So this table has no file of tract." in page
    assert "- gru of 64 units, 512 steps, onnx float32 operator: it was too long" in page


def test_the_page_says_what_is_linear_and_where_the_loop_wins(found):
    page = describe(found)
    assert f"| {INT8}, hot | 1.00 | 0.0 | 0.250 | linear |" in page
    assert f"- {LOOP}, hot: linear, plus 5.0 µs for the call itself" in page
    assert "the int8 loop is the quicker file hot from about 104 steps on, cold from about 104 steps on." in page


def test_the_page_says_why_a_file_grows_faster_than_linear(found):
    found["growth"][4] = growing(512, INT8, 400, 600 << 10)
    page = describe(found)
    assert (
        f"- {INT8}, hot: more than linear beyond 256 steps; at 512 steps the file has 614,400 bytes, more than the 512"
        in page
    )


def test_the_page_blames_the_size_of_a_file_only_where_it_has_grown(found):
    found["growth"][9] = growing(512, LOOP, 400)
    assert f"- {LOOP}, hot: more than linear beyond 256 steps; its file is about as large as before" in describe(found)


def test_two_lengths_do_not_tell_how_cost_grows(found):
    page = describe({**found, "growth": [growing(28, INT8, 5.0), growing(64, INT8, 12.0)]})
    assert "Fewer than 3 lengths" in page
    assert "linear plus" not in page


def test_a_quick_look_says_so_and_another_format_is_refused(found, tmp_path):
    assert "not a measurement" not in describe(found)
    assert "not a measurement" in describe({**found, "quick": True})
    assert "- a test ran beside it\n" in describe({**found, "notes": ["a test ran beside it"]})
    for text in ("{", "[]", json.dumps({**found, "format": 2})):
        (tmp_path / "found.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=r"found\.json"):
            read_peers(tmp_path / "found.json")


def test_a_part_that_is_measured_alone_keeps_the_other(found, tmp_path):
    target = tmp_path / "peers.json"
    target.write_text(json.dumps(found), encoding="utf-8")
    models = Results(target, False, found["environment"])
    models.keep(["models"], KINDS)
    assert (models.models, models.growth) == ([], found["growth"])
    growth = Results(target, False, found["environment"])
    growth.keep(["growth"], KINDS)
    assert (growth.models, growth.growth) == (found["models"], [])
    one = Results(target, False, found["environment"])
    one.keep(["models"], [found["models"][0]["kind"]])
    assert (one.models, one.growth) == (found["models"][1:], found["growth"])
    both = Results(target, False, found["environment"])
    both.keep(PARTS, KINDS)
    assert (both.models, both.growth) == ([], [])
    for other in (Results(target, True, found["environment"]), Results(target, False, {"cpu": "another"})):
        with pytest.raises(DataError, match="choose another --json"):
            other.keep(["models"], KINDS)


def test_the_page_without_growth_and_with_one_size_only(found):
    assert "How cost grows" not in describe({**found, "growth": []})
    assert "exponent" not in describe({**found, "growth": [growing(28, INT8, 5.0)]})


def test_of_each_tool_the_quickest_file_counts():
    peers = {
        name: Peer(name=name, tool=name[0], agreement=SAME, make=lambda _model, _x: None, page="")
        for name in ("a1", "a2", "b1", "c1")
    }
    times = {"a1": 5.0, "a2": 4.0, "b1": 9.0}
    assert choose_best(peers, times) == ["a2", "b1"]
    assert find_finalists(peers, times) == ["a1", "a2", "b1"]
    assert find_finalists(peers, {**times, "a1": 5.1}) == ["a2", "b1"]


def test_every_tool_of_the_comparison_is_entered_and_says_where_its_way_is_documented():
    named = {"MNN", "emx-onnx-cgen", "OpenVINO", "tract", "ncnn", "tflite-micro", "ONNX Runtime's quantization"}
    assert set(tools.TOOLS) == named | {"stock TFLite", "Keras unroll=True", "tf2onnx"}
    for peer in tools.PEERS.values():
        assert peer.page.startswith("https://"), peer.name
        assert peer.agreement in (SAME, ROUNDED)
    assert set(stock.PEERS) < set(tools.PEERS)
    assert set(growth.OTHERS) < set(tools.PEERS)


def test_a_peer_that_answers_otherwise_or_does_not_run_is_not_timed():
    peer = Peer(name="one", tool="one", agreement=SAME, make=lambda _model, _x: None, page="")
    x, reference = np.zeros((4, 2, 3), np.float32), np.eye(4, dtype=np.float32)

    def load():
        answers = iter(reference[[0, 1, 2, 0]])
        return lambda _x: next(answers)[np.newaxis]

    with pytest.raises(ModelError, match=r"75\.0%"):
        peer.check(BareSubject(load, 1), x, reference)

    def fail():
        raise RuntimeError("no such operator")

    with pytest.raises(ModelError, match="does not run: no such operator"):
        peer.check(BareSubject(fail, 1), x, reference)


def test_growth_measures_the_usual_model_once_a_kind():
    sizes = growth.model_sizes(["gru", "lstm"], [16, 64], [28, 512])
    assert [(size.hidden, size.steps) for size in sizes if size.kind == "gru"] == [(16, 28), (64, 28), (64, 512)]
    assert len(sizes) == 6


def test_what_is_asked_for_is_pinned_with_hashes_and_agrees_with_the_lock():
    wanted = re.findall(r"^[\w-]+==\S+", (FOLDER / "requirements.in").read_text(encoding="utf-8"), re.M)
    resolved = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+) \\\n    --hash=sha256:", resolved, re.M))
    assert len(pins) == len(re.findall(r"==", resolved))
    assert {tuple(line.split("==")) for line in wanted} <= set(pins.items())
    assert "torch" not in pins
    assert "openvino-telemetry" not in pins
    lock = (FOLDER.parents[1] / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w-]+)==([^\s;]+)", lock, re.M))
    assert all((name, number) in locked for name, number in pins.items() if name in dict(locked))


def test_our_file_answers_alike_on_native_kernels_and_in_litert():
    path = edgernn.sample()
    x = np.load(path.with_name("digits.npy")).astype(np.float32) / np.float32(255)
    native, litert = (answer_all(subject, x) for subject in (native_subject(path), from_artifact(path)))
    assert native.shape == (10, 10)
    assert np.array_equal(native, litert)
