"""docs/raspberry-pi.md, followed word for word in 64-bit trixie, and the files that it says to copy."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgernn.system.extras import NATIVE_WHEELS
from raspberry_pi.roots import HOME, REPOSITORY, SHARED, USER, Device

PAGE = (REPOSITORY / "docs" / "raspberry-pi.md").read_text(encoding="utf-8")
UNIT = REPOSITORY / "examples" / "pi" / "edgernn-stream.service"
# Headings of the parts with the commands of each system.
PARTS = {
    "arm64-trixie": ("From a blank card, 64-bit", "At boot"),
    "armhf-bookworm": ("32-bit",),
    "armel-bookworm": ("Pi 1, Zero and Zero W",),
}
LEFTOVERS = ("home/pi/edgernn", "home/pi/pi", "home/pi/state.npz", "tmp/rows.txt", "opt/edgernn")
EXPOSURE = 10  # of 100, to systemd-analyze


def commands_of(system: str) -> list[str]:
    """Return the commands in the boxes of its parts, unchanged."""
    sections = dict(section.split("\n", 1) for section in PAGE.split("\n## ")[1:])
    boxes = [box for part in PARTS[system] for box in re.findall(r"^```sh\n(.*?)^```$", sections[part], re.M | re.S)]
    return "".join(boxes).splitlines()


def follow(device: Device) -> dict[str, str]:
    """Run every command of the page as its user, sudo as root; return the output of each."""
    # The package index of this root is the folder that pip downloaded for it. A user has all other settings, too.
    index = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": f"{SHARED}/wheels/{device.root.name}",
        "PIP_NO_COMPILE": "1",  # a quarter of the time, under emulation
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    device = replace(device, variables=index)
    name = NATIVE_WHEELS[device.root.wheel_architecture]
    for leftover in (*LEFTOVERS, f"home/pi/{name}"):
        path = device.folder / leftover
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    wheel = f"{SHARED}/wheels/{device.root.name}/{name}"
    for source, place in ((f"{SHARED}/pi", HOME / "pi"), (wheel, HOME / name)):  # scp, from the other computer
        copied = device.run(["cp", "-r", source, str(place)])
        assert copied.returncode == 0, copied.stderr
    outputs, before, here = dict[str, str](), list[str](), HOME
    for command in commands_of(device.root.name):
        if command.startswith("sudo "):  # sudo keeps the folder, but nothing else of the shell
            user, script = "root", command.removeprefix("sudo ")
        else:
            user, script = USER, "\n".join([*before, command])
        # Debian's packages come from its mirrors; all other commands have no network.
        network = command.startswith("sudo apt ")
        done = device.run(["bash", "-ec", script], user=user, folder=here, network=network, time_limit_s=1800)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        outputs[command] = done.stdout
        if command.startswith(". "):
            before.append(command)
        elif command.startswith("cd "):
            here = Path(device.run(["bash", "-ec", f"{script}; pwd"], folder=here).stdout.strip())
    return outputs


@pytest.fixture(scope="module")
def followed(all_devices: dict[tuple[str, str], Device]) -> dict[str, str]:
    return follow(all_devices["arm64-trixie", "Raspberry Pi 5"])


def test_the_page_has_its_commands() -> None:
    assert len(commands_of("arm64-trixie")) > 12
    assert len(commands_of("armhf-bookworm")) == len(commands_of("armel-bookworm")) == 6


@pytest.mark.parametrize(
    ("root", "board", "instruction_set"),
    [("armhf-bookworm", "Raspberry Pi 2", "neon"), ("armel-bookworm", "Raspberry Pi Zero", "scalar")],
)
def test_the_32_bit_parts_end_with_the_demo(
    all_devices: dict[tuple[str, str], Device], root: str, board: str, instruction_set: str
) -> None:
    outputs = follow(all_devices[root, board])
    assert re.search(rf"^Backend: native \S+ {instruction_set}$", outputs["edgernn demo"], re.M)


def test_every_command_prints_the_expected_output(followed: dict[str, str]) -> None:
    assert re.search(r"^Backend: native \S+ neondot$", followed["edgernn demo"], re.M)
    assert "int8, unrolled" in followed["edgernn info digits-int8.tflite"]
    assert followed["edgernn predict digits-int8.tflite digit-3.png"].split()[1] == "3"
    assert followed["edgernn stream digits-int8.tflite --last < /tmp/rows.txt"].split()[1] == "7"
    assert "predict" in followed["edgernn bench digits-int8.tflite"]


@pytest.mark.usefixtures("followed")
def test_the_unit_can_start_what_was_installed(
    all_devices: dict[tuple[str, str], Device],
) -> None:
    device = all_devices["arm64-trixie", "Raspberry Pi 5"]
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.M)
    words = command.replace("/var/lib/edgernn", str(HOME)).split()
    rows = "\n".join([" ".join(["0.5"] * 28)] * 3) + "\n"
    done = device.run(words, given=rows)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 3)


def test_the_unit_is_hardened() -> None:
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(UNIT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
