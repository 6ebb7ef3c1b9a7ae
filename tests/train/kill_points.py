"""Replaces a run in child processes, each of which ends at another point; a program of test_run_commit.

    python kill_points.py FOLDER kill|fail old|new

Makes FOLDER again and again, and prints for each point what a reader finds afterwards, as JSON lines.
"""

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgernn.data.run_commit import PICTURES
from edgernn.data.run_folder import read_original, write_samples
from edgernn.data.run_settings import write_settings
from edgernn.data.samples import Samples
from edgernn.errors import EdgernnError
from edgernn_train.run_writer import open_run

FILES = ("model.keras", "history.json", "samples.npz", "settings.json")
# Audit events that Python raises before an operation; each is a point where a process may end.
EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.listdir", "os.scandir")


def fill(staging: Path, number: int) -> None:
    x = np.full((2, 3, 4), number, np.float32)
    (staging / "model.keras").write_bytes(f"model {number}".encode() * 1000)
    (staging / "history.json").write_text(json.dumps({"loss": [number]}))
    write_samples(staging, Samples.unnamed(x, np.zeros(2, np.int64), x, np.zeros(2, np.int64)))
    (staging / PICTURES[0]).write_text(f"picture {number}")
    write_settings(staging, {"name": f"run{number}", "labels": [], "input": "", "data": "sample", "seed": number})


def replace_run(folder: Path, end_at: int, ending: str) -> bool:
    """Write run 2 in a child process that ends at this event, or fails there; True if there is no such event."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    seen = 0

    def count(event: str, _arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in EVENTS:
            seen += 1
            if seen == end_at:
                if ending == "kill":
                    os._exit(9)
                raise OSError(errno.EIO, "Input/output error")

    try:
        sys.addaudithook(count)
        with open_run(folder, overwrite=True) as staging:
            fill(staging, 2)
    except (EdgernnError, OSError):
        os._exit(1)
    os._exit(0 if seen < end_at else 1)


def look(folder: Path) -> dict[str, Any]:
    """Describe the folder's files, and what a reader of edgernn finds."""
    before = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    try:
        original = read_original(folder)
    except EdgernnError as error:
        return {"error": str(error), "seen": sorted(before)}
    after = {name: (folder / name).read_bytes() for name in FILES}
    others = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {*FILES, *PICTURES}
    found = {
        original.name.removeprefix("run"),
        original.model.read_bytes()[:7].decode().removeprefix("model "),
        str(int(original.require_samples().x_test[0, 0, 0])),
        str(json.loads(after["history.json"])["loss"][0]),
    }
    picture = folder / PICTURES[0]
    shown = picture.read_text().removeprefix("picture ") if picture.exists() else None
    return {"runs": sorted(found), "picture": shown, "untouched": before == after, "others": sorted(others)}


def main() -> None:
    folder, ending = Path(sys.argv[1]), sys.argv[2]
    number, ended = 0, False
    while not ended:
        number += 1
        shutil.rmtree(folder, ignore_errors=True)
        if sys.argv[3] == "old":
            with open_run(folder) as staging:
                fill(staging, 1)
            (folder / "digits.tflite").write_text("mine")
        ended = replace_run(folder, number, ending)
        found = look(folder)
        with open_run(folder, overwrite=True) as staging:
            fill(staging, 3)
        left = sorted(path.name for path in folder.iterdir())
        sys.stdout.write(json.dumps({**found, "next": look(folder), "left": left}) + "\n")


if __name__ == "__main__":
    main()
