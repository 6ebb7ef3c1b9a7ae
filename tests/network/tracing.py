"""Run a program under strace; report the hosts it looks up and the files it writes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TIME_LIMIT_S = 1800
_TRACED = ",".join(
    (
        *("socket", "connect", "open", "openat", "creat", "truncate", "mkdir", "mkdirat"),
        *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    )
)
# A name is looked up in these; the resolver also asks the kernel for the machine's addresses (NETLINK).
_LOOK_UP = re.compile(r'"/etc/(resolv\.conf|hosts|gai\.conf)"|libnss_(dns|resolve)|AF_INET6?\b|AF_NETLINK')
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_READING = re.compile(r"O_RDONLY\b(?!.*O_(CREAT|TRUNC))")
# Writing to these leaves no file.
_DEVICES = ("/dev/", "/proc/self/")


@dataclass(frozen=True)
class Trace:
    """System calls of a program and its children.

    Attributes:
        exit_code: of the program.
        output: what it printed, errors included.
        asked: system calls by which it reached for the network.
        written: the files and folders that it created or opened to write.
        left: files that stayed in its temporary folder.
    """

    exit_code: int
    output: str
    asked: tuple[str, ...]
    written: frozenset[Path]
    left: tuple[Path, ...]

    def outside(self, *folders: Path) -> list[Path]:
        """List the written paths outside of these folders and of the folders that contain them."""

        def inside(path: Path) -> bool:
            return any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in folders)

        return sorted(path for path in self.written if not inside(path))


@dataclass(frozen=True)
class Tracer:
    """Runs programs in a home and a temporary folder that begin empty; they share the home.

    Attributes:
        home: the home of the programs.
        folder: where logs and temporary folders are.
    """

    home: Path
    folder: Path

    @property
    def cache(self) -> Path:
        """The cache folder of edgernn."""
        return self.home / ".cache" / "edgernn"

    def run(self, *words: object, home: Path | None = None, stdin: bytes = b"", **environment: str) -> Trace:
        """Run a program to its end."""
        logs, temporary = self.folder / "logs", self.folder / "tmp"
        for folder in (logs, temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        strace = ["strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", "signal=none"]
        strace += ["-e", f"trace={_TRACED}", "-o", str(logs / "log")]
        done = subprocess.run(
            [*strace, *map(str, words)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home or self.home),
                "TMPDIR": str(temporary),
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",  # Python's own files beside the sources
                **environment,
            },
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        lines = [line for log in sorted(logs.iterdir()) for line in log.read_text(errors="replace").splitlines()]
        assert lines, "strace reported no system calls"
        return Trace(
            exit_code=done.returncode,
            output=done.stdout.decode(errors="replace"),
            asked=tuple(dict.fromkeys(line for line in lines if _LOOK_UP.search(line))),
            written=frozenset(path for line in lines for path in _written(line) if not path.is_relative_to(temporary)),
            left=tuple(temporary.rglob("*")),
        )


def _written(line: str) -> Iterator[Path]:
    """Yield the files that a system call created or opened to write, if it succeeded."""
    call = _CALL.match(line)
    if call is None or int(call[3]) < 0 or call[1] in ("socket", "connect"):
        return
    if call[1] in ("open", "openat") and _READING.search(call[2]):
        return
    if "O_TMPFILE" in call[2]:  # the file has no name, and ends with its process
        return
    for folder, name in _PATH.findall(call[2])[-1:]:  # the new name, if the call renames
        path = Path(folder, name) if folder else Path(name)
        if not str(path).startswith(_DEVICES):
            yield Path(os.path.normpath(path))
