"""Build the roots, Debian under QEMU, once, and install edgernn there as a user would."""

import hashlib
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from common.bench_frame import Progress
from common.programs import last_line, run_program
from edgernn.errors import SettingError
from edgernn.system import caches
from edgernn.system.files import make_folder
from raspberry_pi.roots import ENVIRONMENT, NAMESPACES, REPOSITORY, ROOTS, SHARED, USER, USER_ID, Device, Root

PACKAGES = ("python3", "python3-venv", "ca-certificates")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
_NEEDED = {
    "debootstrap": "debootstrap",
    "qemu-aarch64-static": "qemu-user-static",
    "update-binfmts": "binfmt-support",
    "unshare": "util-linux",
}

_DEPENDENCIES = ("dependencies", "optional-dependencies")

_call = partial(run_program, folder=REPOSITORY)


def cache_folder() -> Path:
    """Return the folder of the roots."""
    return caches.cache_folder() / "raspberry-pi"


@contextmanager
def roots_locked() -> Iterator[None]:
    """Lock the roots: two processes cannot use them at once, because each root has one home and one environment.

    Raises:
        SettingError: another process uses them.
    """
    lock = FileLock(cache_folder() / "lock", timeout=0)
    try:
        make_folder(cache_folder())
        with lock:
            yield
    except Timeout as error:
        raise SettingError(f"{cache_folder()}: another run is using it; wait until it has ended") from error


def devices(shared: Path) -> list[Device]:
    """List the built roots, each with each of its boards.

    Raises:
        SettingError: a root is not built.
    """
    for root in ROOTS:
        if not (cache_folder() / root.name).is_dir():
            raise SettingError(f"{cache_folder() / root.name}: root not found; build it with `make test-pi`")
    return [
        Device(root=root, folder=cache_folder() / root.name, board=board, shared=shared)
        for root in ROOTS
        for board in root.boards
    ]


def build_all(progress: Progress) -> None:
    """Build missing roots, two at a time, and install the current edgernn.

    Raises:
        SettingError: this machine cannot build them; the message names what is missing.
        ModelError: a program that builds them fails.
    """
    check_machine()
    with roots_locked(), ThreadPoolExecutor(max_workers=2) as pool:
        wheels = {name: build_wheel(name, cache_folder() / "wheel" / name) for name in {root.wheel for root in ROOTS}}
        for done in [pool.submit(_build, root, wheels[root.wheel], progress) for root in ROOTS]:
            done.result()


def check_machine() -> None:
    """Check that roots can be built and entered here; switch on emulation where it is installed.

    Raises:
        SettingError: they cannot be built or entered.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise SettingError(
            "roots can only be built and entered by root on Linux; run this with sudo, or in a container"
        )
    if platform.machine() != "x86_64":
        raise SettingError(f"this machine is {platform.machine()}, expected x86_64: its answers are the reference")
    missing = {package for name, package in _NEEDED.items() if not shutil.which(name)}
    missing |= set() if KEYRING.exists() else {"debian-archive-keyring"}
    if missing:
        raise SettingError(f"missing packages: apt-get install {' '.join(sorted(missing))}")
    if not (BINFMT / "register").exists():
        _call(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    for emulator in sorted({root.emulator for root in ROOTS}):
        if not (BINFMT / f"qemu-{emulator}").exists():
            _call(["update-binfmts", "--enable", f"qemu-{emulator}"])


def build_wheel(name: str, folder: Path) -> Path:
    """Build edgernn's wheel with native kernels for a platform of runtime/native/build_native.py; return its path.

    Args:
        name: of the platform.
        folder: for the wheel; anything in it is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    _call(["env", f"EDGERNN_WHEEL_PLATFORM={name}", *build])
    (wheel,) = folder.glob("edgernn-*.whl")
    return wheel


def _build(root: Root, wheel: Path, progress: Progress) -> None:
    """Build the missing parts of a root (system, wheels, environment), and install the current edgernn."""
    folder, wheels = cache_folder() / root.name, cache_folder() / "wheels" / root.name
    if not (folder / _system_mark(root)).exists():
        progress(f"{root.name}: Debian {root.release} for {root.architecture}, some minutes")
        _bootstrap(root, folder)
    device = Device(root=root, folder=folder, board=root.boards[0], shared=wheels)
    # Everything that decides what is installed beside edgernn; boards are emulated, not installed.
    requirements = _digest(replace(root, boards=()), *(_project()[name] for name in _DEPENDENCIES))
    mark = folder / ENVIRONMENT.relative_to("/") / f"requirements-{requirements}"
    if not mark.exists():
        progress(f"{root.name}: wheels for Python {root.python}, resolved here")
        _download(root, wheel, wheels)
        progress(f"{root.name}: python3 -m venv, pip install, without network")
        _install(device, wheel)
        mark.touch()
    progress(f"{root.name}: pip install {wheel.name}")
    make_folder(wheels)
    shutil.copy(wheel, wheels)
    # Reinstall: the version stays the same while the code changes.
    _in(device, ["pip", "install", "--no-deps", "--force-reinstall", *_INDEX, f"{SHARED}/{wheel.name}"])


def _bootstrap(root: Root, folder: Path) -> None:
    """Install Debian's smallest system with Python; the folder gets its name when it is complete."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    packages = ",".join((*PACKAGES, *root.packages))
    options = [f"--arch={root.architecture}", "--variant=minbase", f"--include={packages}"]
    signatures = ["--force-check-gpg", f"--keyring={KEYRING}"]
    # In namespaces, so that its mounts and processes end when debootstrap ends, even if it is killed.
    _call([*NAMESPACES, "debootstrap", *signatures, *options, root.release, part])
    _call(["chroot", part, "useradd", "--create-home", "--shell", "/bin/bash", "--uid", str(USER_ID), USER])
    (part / _system_mark(root)).touch()
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _system_mark(root: Root) -> str:
    """Return the name of a file in a root that shows which packages it has."""
    return f".edgernn-{_digest(root.architecture, root.release, PACKAGES, root.packages)}"


def _download(root: Root, wheel: Path, folder: Path) -> None:
    """Download wheels for the root's Python and architecture, and nothing that must be compiled."""
    shutil.rmtree(folder, ignore_errors=True)
    tags = [word for tag in root.platforms for word in ("--platform", tag)]
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--python-version", root.python]
    wanted = [f"{wheel}[{','.join(root.extras)}]", *root.requirements]
    if root.uses_debian_numpy:  # pip would look for a wheel of NumPy, and there is none
        needed = [each for each in _project()["dependencies"] if not each.startswith("numpy")]
        wanted = [*root.requirements, *needed]
        options.append("--no-deps")
    _call([sys.executable, "-m", "pip", "download", *options, *tags, "--dest", folder, *wanted])


# Without --no-compile, a quarter of the time under emulation goes into modules that are never imported.
_INDEX = ("--quiet", "--no-compile", "--disable-pip-version-check", "--no-index", "--find-links", str(SHARED))


def _install(device: Device, wheel: Path) -> None:
    shutil.copy(wheel, device.shared)
    options = ["--system-site-packages"] if device.root.uses_debian_numpy else []
    _in(device, ["/usr/bin/python3", "-m", "venv", "--clear", *options, ENVIRONMENT])
    extras = f"[{','.join(device.root.extras)}]" if device.root.extras else ""
    _in(device, ["pip", "install", *_INDEX, f"edgernn{extras}"])


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _in(device: Device, words: Sequence[str | Path]) -> None:
    done = device.run(words, time_limit_s=1800)
    if done.returncode:
        raise SettingError(f"{device.root.name}: {' '.join(map(str, words))}: {last_line(done)}")


@click.command()
@click.option("--check", is_flag=True, help="Only check that this machine can build and enter the roots.")
def main(check: bool) -> None:
    """Build the roots of a Raspberry Pi's operating systems in the user's cache folder.

    Takes half an hour on two cores the first time, then one minute. Needs root's rights, and Debian or Ubuntu.

    \b
    Example:
        python -m benchmarks pi-roots
    """
    if check:
        check_machine()
        return
    build_all(lambda line: click.echo(line, err=True))
    click.echo(f"{cache_folder()}: {', '.join(root.name for root in ROOTS)}")
