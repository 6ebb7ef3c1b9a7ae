"""The generated parts of README.md and its picture: from one result, so that no two figures disagree."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import turns

from common.pages import fill_in, generated_part, preformatted
from edgernn.bench.result import PEER, Result
from edgernn.bench.verdict import judge
from edgernn.errors import DataError
from edgernn_benchmarks.conversions import TFLITE
from readme import readme_page
from readme.picture import draw_picture

ROOT = Path(__file__).parents[2]
README = readme_page.ENGLISH.page
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/run.py"))
TIME = r"[\d.,]+ (?:µs|ms|s)"


def test_the_picture_names_every_subject_with_its_size(made_up_result: Result) -> None:
    texts = set(re.findall(r"<text [^>]*>([^<]+)</text>", draw_picture(made_up_result)))
    assert {"Keras, 800 kB", "int8.tflite, 20 kB", "float32.onnx, 90 kB"} <= texts


def test_the_picture_defines_every_colour_for_light_and_for_dark(made_up_result: Result) -> None:
    drawn = draw_picture(made_up_result)
    light, dark = drawn.split("@media (prefers-color-scheme: dark)")
    for name in set(re.findall(r"var\(--(\w+)\)", drawn)):
        assert f"--{name}: #" in light
        assert f"--{name}: #" in dark


@pytest.fixture
def complete(made_up_result: Result) -> Result:
    """Return a result with all subjects that README.md names."""
    keras, int8, onnx = made_up_result.subjects
    renamed = [replace(keras, name=name) for name in (readme_page.FUNCTION, readme_page.PREDICT)]
    return replace(
        made_up_result,
        subjects=(*renamed, int8, onnx, replace(onnx, name=TFLITE, role=PEER)),
        baseline=renamed[0].name,
    )


def test_generated_parts_have_the_figures_of_the_result(complete: Result) -> None:
    example, table = readme_page.example_part(complete), readme_page.table_part(complete)
    assert example.startswith("For example, `digits-int8.tflite` has ")
    assert f"![Accuracy, latency and file size of {len(complete.artifacts)} exported" in example
    assert f" {judge(complete).sentence}. " in " ".join(table.split())
    assert complete.started in table
    assert "`!` marks" not in table
    noisy = replace(complete.subjects[2], turns={"predict": turns(20.0, rounds=10, noise=0.5)})
    noisy_result = replace(complete, subjects=(*complete.subjects[:2], noisy, *complete.subjects[3:]))
    assert "`!` marks a time or speed that is unreliable: its interval is wider than ±12.5%." in " ".join(
        readme_page.table_part(noisy_result).split()
    )
    check_figures(example, table)


def test_a_result_without_stock_conversions_is_refused(made_up_result: Result) -> None:
    with pytest.raises(DataError, match=r"'stock-tflite.tflite' was not measured; expected a result of `edgernn comp"):
        readme_page.example_part(made_up_result)


def rows_of(table: str) -> dict[str, list[str]]:
    """Return the figures of each row, by name: bytes, measures, median, ± and speed."""
    rows = re.findall(r"^ {5}(\S+(?: \S+)*?) +([\d,]{4,}) +(.*)$", table, re.M)
    return {name: [size, *re.findall(rf"{TIME}|\S+", rest)] for name, size, rest in rows}


def check_figures(example: str, table: str) -> None:
    """Check that the example and the verdict have figures of the table."""
    rows = rows_of(table)
    example = " ".join(example.split())
    name, score, original, size, time = re.findall(
        rf"`(\S+)` has (\S+) \w+ \(Keras: (\S+)\) in (\S+) bytes, and answers in ({TIME})\.", example
    )[0]
    assert [rows[name][0], rows[name][1], rows[name][3]] == [size, score, time]
    stock = re.findall(rf"converter has (\S+) bytes and takes ({TIME})\.", example)[0]
    assert (rows[TFLITE][0], rows[TFLITE][3]) == stock
    keras = re.findall(rf"Keras takes ({TIME}) as a compiled `tf.function` and ({TIME}) in `predict`", example)[0]
    assert (rows[readme_page.FUNCTION][3], rows[readme_page.PREDICT][3]) == keras
    assert rows[readme_page.FUNCTION][1] == original
    check_verdict(table)


def check_verdict(table: str) -> None:
    """Check that the lines below a table have its figures."""
    rows = rows_of(table)
    text = " ".join(table.split())
    shipped = re.search(r"Ship (\S+): (\S+) bytes, (R² )?(\S+) agreement with Keras", text)
    assert shipped
    assert rows[shipped[1]][0] == shipped[2]
    assert shipped[4] in rows[shipped[1]]
    smallest = re.search(r"Smallest: (\S+), (\S+) bytes", text)
    assert smallest
    assert rows[smallest[1]][0] == smallest[2]
    fastest = re.search(rf"Fastest: (\S+), ({TIME})\.", text)
    assert fastest
    assert fastest[2] in rows[fastest[1]]


def test_no_two_figures_of_the_readme_disagree() -> None:
    example, table = (generated_part(README, name) for name in (readme_page.EXAMPLE, readme_page.TABLE))
    check_figures(example, table)


def test_the_picture_of_the_readme_is_of_the_same_run_as_its_table() -> None:
    table, picture = generated_part(README, readme_page.TABLE), readme_page.PICTURE.read_text(encoding="utf-8")
    assert "(docs/accuracy-latency-size.svg)" in generated_part(README, readme_page.EXAMPLE)
    (started,) = re.findall(r"<desc>Measured (\S+)</desc>", picture)
    assert started in table
    sizes = sorted(re.findall(r">[^<>]+, ([\d,]+) kB<", picture))
    assert sizes == sorted(f"{int(row[0].replace(',', '')) / 1000:.0f}" for row in rows_of(table).values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_two_figures_of_an_example_disagree(name: str) -> None:
    check_verdict(generated_part(ROOT / "examples" / name / "README.md", "results"))


def test_a_page_is_filled_in_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before <!-- this: generated -->\nold\n<!-- this: until here --> behind\n")
    for text in ("old\n", "new\n"):
        assert fill_in(page, "this", text) == page
    assert page.read_text() == "before <!-- this: generated -->\n\nnew\n\n<!-- this: until here --> behind\n"
    assert generated_part(page, "this") == "new"
    with pytest.raises(DataError, match="no marks <!-- that: generated -->"):
        fill_in(page, "that", "new")
    assert preformatted("first  \n\nsecond\n") == "    first\n\n    second"
