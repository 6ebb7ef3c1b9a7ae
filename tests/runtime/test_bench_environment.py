"""The machine's description and state, read from simulated files and programs."""

import os
import time
from pathlib import Path

import pytest

from edgernn.bench import environment
from edgernn.bench.environment import describe, describe_machine, look_at_machine, throttled_reasons
from edgernn.system import machine


def test_the_description_is_that_of_this_machine() -> None:
    facts, state = describe_machine(), look_at_machine()
    assert facts["cores"] == os.cpu_count()
    assert facts["versions"]["edgernn"]
    assert set(state) == {"load", "governor", "frequency_mhz", "highest_mhz", "temperature_c", "throttled"}
    assert f"{os.cpu_count()} cores" in describe(facts)


def test_a_raspberry_pi_reports_its_model_and_its_throttling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x50005\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert look_at_machine()["throttled"] == 0x50005
    assert throttled_reasons(0x50005) == [
        "undervoltage",
        "throttled",
        "undervoltage since it was started",
        "throttled since it was started",
    ]
    assert throttled_reasons(0) == []
    for broken in ("exit 255", "echo VCHI initialization failed", "echo throttled=yes"):
        program.write_text(f"#!/bin/sh\n{broken}\n")
        assert look_at_machine()["throttled"] is None
    facts = {**describe_machine(), "board": "Raspberry Pi 5 Model B Rev 1.0"}
    assert describe(facts).startswith("Raspberry Pi 5 Model B Rev 1.0, ")


def test_frequencies_are_read_in_mhz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_CPU", tmp_path)
    (tmp_path / "scaling_governor").write_text("ondemand\n")
    (tmp_path / "scaling_cur_freq").write_text("1500345\n")
    (tmp_path / "cpuinfo_max_freq").write_text("2400000\n")
    state = look_at_machine()
    assert (state["governor"], state["frequency_mhz"], state["highest_mhz"]) == ("ondemand", 1500.345, 2400.0)
    (tmp_path / "cpuinfo_max_freq").write_text("<unknown>\n")
    assert look_at_machine()["highest_mhz"] is None


def test_the_busy_time_of_all_cores_includes_ours() -> None:
    busy, own = machine.busy_seconds(), machine.own_seconds()
    if busy is None:  # not on Linux
        assert not Path("/proc/stat").exists()
        return
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    after = machine.busy_seconds()
    assert after is not None
    assert after - busy >= 0.25
    assert machine.own_seconds() - own >= 0.25
