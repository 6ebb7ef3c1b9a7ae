"""Chromium without a window, controlled over a pipe: https://chromedevtools.github.io/devtools-protocol/."""

import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TIME_LIMIT_S = 60
_BEGIN = "import os, sys; [os.dup2(int(sys.argv[n]), n + 2) for n in (1, 2)]; os.execvp(sys.argv[3], sys.argv[3:])"


class Page:
    """An empty page of a browser; made by `open_page`."""

    def __init__(self, into: int, out_of: int) -> None:
        self._into, self._out_of = into, out_of
        self._read, self._count = b"", 0
        self._session: dict[str, str] = {}
        self._events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters, **self._session}
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, address: str, width: int, dark: bool, height: int = 900) -> None:
        """Open an address in a window of this width, in light or dark mode; earlier events are dropped."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._events.clear()
        self.call("Page.navigate", url=address)
        while not self.events("Page.loadEventFired"):
            self._next()

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """Return the browser's events since the page was opened."""
        return [event["params"] for event in self._events if event["method"] in methods]

    def screenshot(self, file: Path) -> None:
        """Write the whole page as a picture."""
        captured = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(captured["data"]))

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + TIME_LIMIT_S
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._out_of], [], [], end - time.monotonic())
            assert ready, f"the browser sent nothing for {TIME_LIMIT_S} s"
            chunk = os.read(self._out_of, 1 << 20)
            assert chunk, "the browser has ended"
            self._read += chunk
        line, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self._events.append(message)
        return message


@contextmanager
def open_page(chrome: str, profile: Path) -> Iterator[Page]:
    """Start a browser that keeps its files in `profile`, and end it with the block."""
    their_in, into = os.pipe()
    out_of, their_out = os.pipe()
    words = [chrome, "--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
    words += [f"--user-data-dir={profile}", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        words.append("--no-sandbox")  # Chromium refuses to run as root with a sandbox
    # It reads from 3 and writes to 4, whatever numbers the pipes have here.
    high = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (their_in, their_out)]
    begin = [sys.executable, "-c", _BEGIN, *map(str, high)]
    with (profile / "chromium.log").open("wb") as log:
        browser = subprocess.Popen([*begin, *words], pass_fds=high, stdout=log, stderr=log)
    for each in (their_in, their_out, *high):
        os.close(each)
    try:
        yield Page(into, out_of)
    finally:
        browser.terminate()
        browser.wait(timeout=30)
        os.close(into)
        os.close(out_of)


@pytest.fixture(scope="module")
def browser_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Open a page of the browser at CHROME."""
    with open_page(os.environ["CHROME"], tmp_path_factory.mktemp("profile")) as page:
        yield page
