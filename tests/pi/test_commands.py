"""Commands that a user types, on every system: as user pi, without compiler and network."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgernn
from raspberry_pi.roots import SHARED, Device

ARTIFACT = str(SHARED / "digits-int8.tflite")
DAMAGE = """
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[5000] ^= 255
open("damaged.tflite", "wb").write(data)
"""


def output_of(device: Device, *words: str | Path, given: str | None = None) -> str:
    """Run a command that must succeed without output on standard error; return its standard output."""
    done = device.run(words, given=given)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def installed(device: Device) -> dict[str, str]:
    lines = output_of(device, "python", "-m", "pip", "--disable-pip-version-check", "list", "--format=json")
    return {each["name"].lower(): each["version"] for each in json.loads(lines)}


def test_the_system_is_the_expected_one_and_edgernn_needs_no_more(device: Device, results: dict[str, Any]) -> None:
    release = output_of(device, "cat", "/etc/os-release")
    assert f"VERSION_CODENAME={device.root.release}" in release
    assert output_of(device, "dpkg", "--print-architecture").strip() == device.root.architecture
    python = output_of(device, "python", "-c", "import platform; print(platform.python_version())").strip()
    assert python.startswith(f"{device.root.python}.")
    packages = installed(device)
    assert not {"tensorflow", "keras", "onnx", "scipy"} & packages.keys()
    assert ("rich" in packages) == ("report" in device.root.extras)
    shown = ("numpy", "click", "ai-edge-litert", "onnxruntime", "tflite-runtime", "pillow")
    results["systems"][device.root.name] = {
        "python": python,
        "installed": ", ".join(f"{name} {packages[name]}" for name in shown if name in packages),
    }


def test_there_is_no_compiler_and_no_network(device: Device) -> None:
    for name in ("cc", "gcc", "g++", "clang", "make"):
        assert device.run(["sh", "-c", "command -v $0", name]).returncode != 0
    interfaces = output_of(device, "sh", "-c", "ls /sys/class/net").split()
    assert interfaces == ["lo"]


def test_info_lists_the_backends_that_are_there(device: Device) -> None:
    lines = output_of(device, "edgernn", "info", "--backends").splitlines()
    there = {line.split()[0] for line in lines if "not installed" not in line}
    assert set(device.root.backends) <= there


def test_info_shows_the_card(device: Device) -> None:
    shown = output_of(device, "edgernn", "info", ARTIFACT)
    assert "int8, unrolled" in shown
    assert json.loads(output_of(device, "edgernn", "info", "--json", ARTIFACT))


def test_demo_reads_the_digits_that_come_with_it(device: Device) -> None:
    shown = output_of(device, "edgernn", "demo")
    assert f"{device.root.backends[0]} " in shown
    assert re.findall(r"\b(\d)  \d+%", shown)[:10] == list("0123456789")


def test_predict_reads_a_picture_and_an_array(device: Device) -> None:
    folder = output_of(device, "python", "-c", "import edgernn; print(edgernn.sample().parent)").strip()
    for digit in (0, 3, 9):
        answer = json.loads(output_of(device, "edgernn", "predict", ARTIFACT, f"{folder}/digit-{digit}.png", "--json"))
        assert [each["label"] for each in answer] == [str(digit)]
    answers = json.loads(output_of(device, "edgernn", "predict", ARTIFACT, f"{folder}/digits.npy", "--json"))
    assert [each["label"] for each in answers] == list("0123456789")


def test_stream_answers_row_by_row(device: Device) -> None:
    digit = np.load(edgernn.sample().with_name("digits.npy"))[7] / 255
    rows = "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in digit)
    lines = output_of(device, "edgernn", "stream", ARTIFACT, "--json", given=rows).splitlines()
    assert len(lines) == 28
    assert json.loads(lines[-1])["label"] == "7"


def test_bench_measures(device: Device) -> None:
    done = device.run(["edgernn", "bench", ARTIFACT, "--rounds", "2", "--seconds", "0.2", "--json"])
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    (row,) = document["subjects"]
    assert row["backend"].startswith(device.root.backends[0])
    assert row["statistics"]["predict"]["median_us"] > 0
    assert document["machine"]["cores"] >= 1


def test_bench_draws_a_report_or_says_where_to(device: Device) -> None:
    words = ["edgernn", "bench", ARTIFACT, "--rounds", "2", "--seconds", "0.2"]
    done = device.run([*words, "--html", "report.html"])
    if "report" not in device.root.extras:
        assert done.returncode == 1
        assert 'pip install "jinja2>=3.1.6" "matplotlib>=3.9" "pillow>=11" "rich>=13.9"' in done.stderr
        assert ("--json > result.json" in done.stderr) == (device.root.architecture != "arm64")
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Report: report.html"
    again = "edgernn bench $0 --rounds 2 --seconds 0.2 --json > result.json && edgernn report result.json --html b.html"
    assert output_of(device, "sh", "-c", f"({again}) 2> /dev/null", ARTIFACT).splitlines()[-1] == "Report: b.html"
    for name in ("report.html", "b.html"):
        page = output_of(device, "cat", name)
        assert "digits-int8.tflite" in page
        assert "<svg" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", ARTIFACT, "missing.npy"], "error: missing.npy: no such file"),
        (["predict", "damaged.tflite", str(SHARED / "digits.npy")], "error: damaged.tflite: "),
        (["export", "run"], 'is not installed: pip install "ai-edge-litert<3,>=2.1" "flatbuffers>=24" '),
    ],
)
def test_an_error_is_one_line(device: Device, words: list[str], message: str) -> None:
    output_of(device, "python", "-c", DAMAGE, ARTIFACT)
    done = device.run(["edgernn", *words])
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
