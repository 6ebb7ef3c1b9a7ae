"""The web page of docs/use-without-edgernn.md in headless Chromium, with ONNX Runtime of npm; `make test-web`."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import edgernn
from edgernn.cli import main
from edgernn.data.datasets import read_samples

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "use-without-edgernn.md").read_text(encoding="utf-8")
PACKAGES = ROOT / "build" / "web" / "node_modules"
FILES = ("digits-float32.onnx", "digits-int8.onnx")
COUNT = 20
# float32, added in another order; int8 weights become float32 first, so those files compute in float32, too.
TOLERANCE = 1e-5
TIME_LIMIT_S = 120


class Handler(SimpleHTTPRequestHandler):
    """Serve a folder and the npm packages; put posted data into `answers`."""

    answers: "queue.Queue[dict[str, Any]]"

    def do_POST(self) -> None:
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def translate_path(self, path: str) -> str:
        _, found, inside = path.partition("/node_modules/")
        return super().translate_path(path) if not found else str(PACKAGES / inside)

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Path:
    """Return a run folder: that of RUN=DIR, or a new one."""
    given = os.environ.get("RUN")
    return Path(given).resolve() if given else request.getfixturevalue("run_folder")


@pytest.fixture(scope="module")
def site(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder that the page describes, with the additional files of this test."""
    folder = tmp_path_factory.mktemp("site")
    (module,) = re.findall(r"^```js\n(.*?)^```$", PAGE, re.M | re.S)
    (page,) = re.findall(r"^```html\n(.*?)^```$", PAGE, re.M | re.S)
    (folder / "recurrent.mjs").write_text(module, encoding="utf-8")
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "check.html").write_bytes((Path(__file__).parent / "check.html").read_bytes())
    files = {name: name.replace(".onnx", "-web.onnx") for name in FILES}
    (folder / "todo.json").write_text(json.dumps({"files": files, "count": COUNT}), encoding="utf-8")
    (folder / "digits.f32").write_bytes(read_samples(run).x_test[:COUNT].astype("<f4").tobytes())
    if all((run / name).is_file() for name in FILES):
        for name in FILES:
            (folder / name).write_bytes((run / name).read_bytes())
    else:
        words = ["export", str(run), "--to", "onnx", "--out", str(folder)]
        assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    (block,) = re.findall(r"^```python\n([^`]*initializer\.remove[^`]*)^```$", PAGE, re.M)
    for name in FILES:
        subprocess.run(
            [sys.executable, "-c", block.replace("digits-int8", name.removesuffix(".onnx"))], cwd=folder, check=True
        )
    return folder


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[tuple[str, "queue.Queue[dict[str, Any]]"]]:
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    handler = type("Answering", (Handler,), {"answers": answers})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", answers
        running.shutdown()


@pytest.fixture(scope="module")
def found(
    server: tuple[str, "queue.Queue[dict[str, Any]]"], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Run the page in the browser and return its answers."""
    address, answers = server
    profile = tmp_path_factory.mktemp("profile")
    words = [os.environ["CHROME"], "--headless", "--disable-gpu", f"--user-data-dir={profile}", "--no-first-run"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # Chromium refuses to run as root with a sandbox
    log = profile / "chromium.log"
    with log.open("wb") as output:
        browser = subprocess.Popen([*words, f"{address}/check.html"], stdout=output, stderr=output)
        try:
            result = answers.get(timeout=TIME_LIMIT_S)
        except queue.Empty:
            pytest.fail(f"no answer in {TIME_LIMIT_S} s; the browser's log:\n{log.read_text(errors='replace')[-2000:]}")
        finally:
            browser.terminate()
            browser.wait(timeout=30)
    assert "error" not in result, result["error"]
    return result


@pytest.fixture(scope="module")
def digits(run: Path) -> np.ndarray:
    return read_samples(run).x_test[:COUNT]


@pytest.mark.parametrize("name", FILES)
def test_the_browser_answers_as_edgernn(found: dict[str, Any], site: Path, digits: np.ndarray, name: str) -> None:
    expected = edgernn.load(site / name).predict(digits)
    assert expected.shape == (COUNT, 10)
    np.testing.assert_allclose(np.array(found[name]["wholes"]), expected, atol=TOLERANCE)


@pytest.mark.parametrize("name", FILES)
def test_the_browser_streams_as_edgernn(found: dict[str, Any], site: Path, digits: np.ndarray, name: str) -> None:
    model = edgernn.load(site / name)
    for digit, answers in zip(digits, found[name]["streams"], strict=True):
        with model.stream() as stream:
            expected = np.array([stream.push(row) for row in digit])
        np.testing.assert_allclose(np.array(answers), expected, atol=TOLERANCE)


def test_optional_states_are_refused(found: dict[str, Any]) -> None:
    assert found["refused"] == "make the states required to stream"


def test_the_page_shows_the_answer_of_edgernn(found: dict[str, Any], site: Path) -> None:
    stroke = np.zeros((28, 28), np.float32)
    stroke[4:24, 13:15] = 1
    assert found["page"] == str(edgernn.load(site / "digits-int8.onnx").predict(stroke).argmax())
