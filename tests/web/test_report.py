"""The HTML report in headless Chromium, on a desktop screen and a phone, light and dark; `make test-report`."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_report import sensor_evidence

from edgernn.bench.result import Result
from edgernn.bench.verdict import in_order, judge
from edgernn_benchmarks.report.page import write_html

DESK, PHONE = 1280, 390
# With this prefix, names have the width of a phone.
LONG_NAME = "predictive-maint-"
# An upright sheet of A4 without its margins of 14 mm, at the 96 pixels an inch of CSS.
PAPER = 688
# WCAG 2, level AA: https://www.w3.org/TR/WCAG22/#contrast-minimum
MIN_CONTRAST = 4.5
# The lowest contrasts between a text and its background.
CONTRASTS = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb
    .map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const worst = [];
  const walker = document.createTreeWalker(document.querySelector(".page"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    if (Number(style.opacity) < 1) continue;  // the dots that stand for no mistakes
    const behind = [];
    for (let each = element; each; each = each.parentElement) behind.unshift(getComputedStyle(each).backgroundColor);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [luminance(over(behind)), luminance(over([...behind, ink]))];
    worst.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), walker.currentNode.data.trim()]);
  }
  return worst.sort((one, other) => one[0] - other[0]).slice(0, 3);
})()
"""
# Texts of elements that are broken into several lines, or cut off.
BROKEN = """
[...document.querySelectorAll("SELECTOR")].filter((each) => each.checkVisibility()).filter((each) => {
  const range = document.createRange();
  range.selectNodeContents(each);
  const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
  return lines.size !== 1 || (each.clientWidth && each.scrollWidth > each.clientWidth + 1);
}).map((each) => each.textContent)
"""
# Labels of the tables that scroll sideways.
SCROLLING = """
[...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => each.getAttribute("aria-label"))
"""
ORDER = '[...document.querySelectorAll("table.sortable tbody th")].map((cell) => cell.dataset.value)'


@pytest.fixture(scope="module")
def address(made_up_result: Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a report of two results; the second one's artifact has a long name without a place to break."""
    long = replace(made_up_result.artifacts[0], name="digits" * 30 + ".tflite")
    subjects = (*made_up_result.subjects[:2], long)
    other = replace(made_up_result, subjects=subjects, started="2026-11-28T12:00:00+00:00", frequencies_mhz=(1.0, 2.0))
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_html(file, [made_up_result, other])
    return file.as_uri()


@pytest.fixture(scope="module")
def sensors(made_up_result: Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a report of sensor windows, with long names of artifacts, features and classes, and refused files."""
    renamed = json.dumps(sensor_evidence()).replace("digits-", LONG_NAME)
    subjects = tuple(replace(each, name=each.name.replace("digits-", LONG_NAME)) for each in made_up_result.subjects)
    result = replace(
        made_up_result,
        subjects=subjects,
        evidence=json.loads(renamed),
        left_out={"stock-tflite.tflite": "ConverterError: " + "an operator of another maker " * 9},
    )
    file = tmp_path_factory.mktemp("report") / "sensors.html"
    write_html(file, [result])
    return file.as_uri()


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_loads_without_a_word_and_never_scrolls_sideways(browser_page, address: str, width: int, dark: bool) -> None:
    browser_page.open(address, width, dark)
    assert browser_page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == dark
    assert not browser_page.events("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    asked = [each["request"]["url"] for each in browser_page.events("Network.requestWillBeSent")]
    assert [each for each in asked if not each.startswith("data:")] == [address]
    assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth && innerWidth") == width
    browser_page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    assert browser_page.evaluate("[...document.images].every((each) => each.naturalWidth > 0)")
    if folder := os.environ.get("SCREENSHOTS"):
        browser_page.screenshot(Path(folder) / f"report-{width}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_tables_do_not_scroll_sideways_and_names_have_one_line(
    browser_page, address: str, sensors: str, width: int
) -> None:
    for each in (address, sensors):
        browser_page.open(each, width, dark=width == PHONE)
        for opened in (False, True):
            browser_page.evaluate(
                f"document.querySelectorAll('details').forEach((each) => {{ each.open = {opened:d} }})"
            )
            assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
            scrolling = browser_page.evaluate(SCROLLING)
            # On a phone only tables with a column for each class.
            allowed = ("Table of accuracy", "Confusion matrix", "Table between", "Table of the machine")
            assert [label for label in scrolling if width == DESK or not label.startswith(allowed)] == []
            assert (
                browser_page.evaluate(
                    BROKEN.replace("SELECTOR", "h1 .keep, .lead .keep, .figures .whole, .figures.plain tbody th")
                )
                == []
            )
    if folder := os.environ.get("SCREENSHOTS"):
        browser_page.screenshot(Path(folder) / f"report-sensors-{width}.png")


def test_a_window_has_a_line_for_each_feature(browser_page, sensors: str) -> None:
    browser_page.open(sensors, DESK, dark=False)
    names = browser_page.evaluate(
        "[...document.querySelector('#samples .window').querySelectorAll('span')].map((each) => each.textContent)"
    )
    assert names == sensor_evidence()["pictures"]["names"]
    assert browser_page.evaluate(BROKEN.replace("SELECTOR", ".window span")) == []
    sizes = browser_page.evaluate(
        "[...document.querySelectorAll('.window polyline')].map((each) => each.getBoundingClientRect().width)"
    )
    assert len(sizes) == 36
    assert min(sizes) > 100


def test_more_columns_open_with_a_click(browser_page, address: str) -> None:
    browser_page.open(address, DESK, dark=False)
    shown = "[...document.querySelectorAll('.sortable')].map((each) => each.checkVisibility())"
    assert browser_page.evaluate(shown) == [True, False, True, False]
    browser_page.evaluate("document.querySelector('details.more summary').click()")
    assert browser_page.evaluate(shown) == [True, True, True, False]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(browser_page, address: str, dark: bool) -> None:
    browser_page.open(address, DESK, dark)
    worst = browser_page.evaluate(CONTRASTS)
    assert worst[0][0] >= MIN_CONTRAST, worst


def test_the_night_is_dark(browser_page, address: str) -> None:
    ink = "getComputedStyle(document.querySelector('#latencies svg text')).fill"
    seen = []
    for dark in (False, True):
        browser_page.open(address, DESK, dark)
        seen.append([browser_page.evaluate(each) for each in ("getComputedStyle(document.body).backgroundColor", ink)])
    assert all(day != night for day, night in zip(*seen, strict=True))


def test_a_click_sorts_the_table(browser_page, address: str, made_up_result: Result) -> None:
    browser_page.open(address, DESK, dark=False)
    shown = in_order(made_up_result, judge(made_up_result).recommended)
    names = [subject.name for subject in shown]
    first = f"({ORDER}).slice(0, {len(names)})"
    assert browser_page.evaluate(first) == names

    def click(title: str) -> str:
        find = f"(each) => each.textContent.startsWith('{title}')"
        header = f"[...document.querySelectorAll('.sortable thead th')].find({find})"
        sort: str = browser_page.evaluate(f"{header}.firstChild.click(); {header}.getAttribute('aria-sort')")
        return sort

    by_size = sorted(shown, key=lambda subject: subject.size_bytes)
    assert click("size") == "ascending"
    assert browser_page.evaluate(first) == [subject.name for subject in by_size]
    assert click("size") == "descending"
    assert browser_page.evaluate(first) == [subject.name for subject in reversed(by_size)]
    # The second table is sorted alone. Artifacts without a step come last in both directions.
    for order in ("ascending", "descending"):
        assert click("step") == order
        more = "document.querySelector('details.more tbody th').dataset.value"
        assert browser_page.evaluate(more) == "digits-int8.tflite"
    assert click("subject") == "ascending"
    assert browser_page.evaluate(first) == sorted(names, key=str.casefold)
    assert browser_page.evaluate("document.querySelector('table').querySelectorAll('[aria-sort]').length") == 1


def test_it_prints(browser_page, address: str) -> None:
    browser_page.open(address, DESK, dark=True)
    pdf = browser_page.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
    assert len(pdf) > 10_000
    browser_page.call("Emulation.setEmulatedMedia", media="print")
    size = {"width": PAPER, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser_page.call("Emulation.setDeviceMetricsOverride", **size)
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert browser_page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser_page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
