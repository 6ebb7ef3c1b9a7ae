"""The README's picture: a stand-alone SVG file."""

import re
from pathlib import Path

from edgernn.bench.result import Result
from edgernn_benchmarks.report.picture import draw_picture

ROOT = Path(__file__).parents[2]


def test_it_names_every_subject_with_its_size(made_up_result: Result) -> None:
    texts = set(re.findall(r"<text [^>]*>([^<]+)</text>", draw_picture(made_up_result)))
    assert {"Keras, 800 kB", "int8.tflite, 20 kB", "float32.onnx, 90 kB"} <= texts


def test_it_defines_every_colour_for_light_and_for_dark(made_up_result: Result) -> None:
    drawn = draw_picture(made_up_result)
    light, dark = drawn.split("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r"var\(--(\w+)\)", drawn)):
        assert f"--{name}: #" in light
        assert f"--{name}: #" in dark


def test_the_picture_of_the_readme_is_in_the_repository() -> None:
    assert "(docs/accuracy-latency-size.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "accuracy-latency-size.svg").is_file()
