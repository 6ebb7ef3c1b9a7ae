"""The recommendation of an export, on real artifacts and on rows without any."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from made_up import measured, result

import edgernn
from edgernn.bench.profiles import PROFILES, install_command
from edgernn.bench.stopwatch import Method
from edgernn.bench.verdict import judge
from edgernn.errors import SettingError
from edgernn.tasks import Task
from edgernn_export import Settings, TargetResult, measure
from edgernn_export.formats.base import DeviceFacts
from edgernn_export.proof import Proof
from edgernn_export.result_table import print_rows
from edgernn_export.targets import DEFAULT_TARGETS, Target

BRIEF = Method(2, 0.0)
SAME = {"accuracy": 0.9, "f1": 0.9}


def row_of(path: Path, target: Target, agreement: float = 0.99) -> TargetResult:
    proof = Proof(Task("classification"), 10, SAME, SAME, agreement, 0.1)
    return TargetResult(target, path, "passed", size_bytes=path.stat().st_size, proof=proof)


@pytest.fixture(scope="module")
def rows(artifacts: Path) -> list[TargetResult]:
    return [row_of(artifacts / target.file_name("digits"), target) for target in DEFAULT_TARGETS]


def test_artifacts_are_timed_and_judged_by_the_answers_of_their_proof(rows: list[TargetResult]) -> None:
    result = measure(rows, method=BRIEF)
    assert [each.name for each in result.artifacts] == [row.path.name for row in rows]
    for row, artifact in zip(rows, result.artifacts, strict=True):
        assert artifact.predict.median_us > 0
        assert set(artifact.turns) == {"predict", "load", "first answer"}
        assert artifact.size_bytes == row.size_bytes
        assert artifact.answers is not None
        assert artifact.answers.agreement == 0.99
    assert result.strangers == ()
    assert judge(result).recommended is not None
    none = judge(measure(rows, Settings(min_agreement=0.995), method=BRIEF))
    assert none.recommended is None
    assert none.sentence.startswith("Ship none of them: no artifact keeps the accuracy")


@pytest.mark.parametrize(
    ("profile", "endings"),
    [
        ("pi2", ("float32.tflite", "float16.tflite", "int8.tflite", "int16x8.tflite", "int8-loop.tflite")),
        ("browser", ("float32.onnx", "int8.onnx")),
        ("mcu", ("int8-loop.tflite",)),
    ],
)
def test_the_artifact_runs_on_the_device_it_is_for(
    rows: list[TargetResult], profile: str, endings: tuple[str, ...]
) -> None:
    verdict = judge(measure(rows, profile=profile, method=BRIEF))
    assert verdict.recommended is not None
    assert verdict.recommended.name.endswith(endings)


def test_a_device_that_runs_none_of_them_gets_none(rows: list[TargetResult]) -> None:
    some = [row for row in rows if row.path.suffix == ".tflite"]
    verdict = judge(measure(some, profile="browser", method=BRIEF))
    assert verdict.recommended is None
    assert "onnxruntime on a browser runs no artifact that keeps the accuracy" in verdict.why


def test_wrong_choices_are_one_error(rows: list[TargetResult]) -> None:
    with pytest.raises(SettingError, match="no artifact passed the proof"):
        measure([TargetResult(rows[0].target, rows[0].path, "failed", "too wrong")])
    with pytest.raises(SettingError, match="unknown device 'pi9'; expected one of pi5, "):
        measure(rows, profile="pi9")


def test_only_a_stream_with_other_bits_is_in_the_card(artifacts: Path) -> None:
    cards = {path.name: edgernn.load(path).card for path in artifacts.iterdir()}
    exact = {name: card.exact_stream for name, card in cards.items() if card}
    assert exact["digits-int8.tflite"]
    assert not exact["digits-int16x8.tflite"]
    for name, card in cards.items():
        assert card is not None
        assert ("stream_difference" in card.measured) is not exact[name]


def test_compare_takes_the_artifacts_beside_the_model_and_a_device(
    run_folder: Path,
    artifacts: Path,
    tmp_path: Path,
    edgernn_command: Callable[..., Result],
    refused: Callable[..., str],
) -> None:
    words = ("--rounds", "2", "--seconds", "0", "--for", "browser", "--json", "-")
    for name in ("model.keras", "settings.json", "samples.npz", "history.json"):
        (tmp_path / name).write_bytes((run_folder / name).read_bytes())
    message = refused("compare", tmp_path)
    assert (
        f"no artifact of model.keras there; give .tflite or .onnx files, or make them: edgernn export {tmp_path}"
        in message
    )
    (tmp_path / "notes.md").write_text("no model")
    assert "unsupported file type: '.md'; expected .keras" in refused("compare", tmp_path / "notes.md")
    (tmp_path / "empty").mkdir()
    assert "no model.keras in this folder; expected a run" in refused("compare", tmp_path / "empty")
    for name in ("digits-int8.tflite", "digits-int8.onnx"):
        (tmp_path / name).write_bytes((artifacts / name).read_bytes())
    (tmp_path / "other.tflite").write_bytes(edgernn.sample().read_bytes())
    document = json.loads(edgernn_command("compare", tmp_path, *words).stdout)
    names = [each["name"] for each in document["subjects"] if each["role"] == "artifact"]
    assert names == ["digits-int8.onnx", "digits-int8.tflite"]
    assert (document["profile"], document["verdict"]["recommended"]) == ("browser", "digits-int8.onnx")
    assert document["verdict"]["sentence"].startswith("Ship digits-int8.onnx for a browser: ")


@pytest.mark.parametrize(
    ("artifact", "backend", "device", "wheel"),
    [
        ("motion-int8.tflite", "native 0.1.0 avx2", None, "manylinux_2_17_aarch64.whl"),
        ("motion-dynamic.tflite", "litert 2.3.0", None, '"manylinux_2_17_aarch64.whl[litert]"'),
        ("motion-int8.onnx", "onnxruntime 1.32.0", "pi4", '"manylinux_2_17_aarch64.whl[onnx]"'),
        ("motion-int8.tflite", "native 0.1.0 avx2", "pi2", "linux_armv7l.whl"),
        ("motion-int8.tflite", "litert 2.3.0", "pi2", '"linux_armv7l.whl[tflite]"'),
        ("motion-int8.tflite", "native 0.1.0 avx2", "pizero", "linux_armv6l.whl"),
        ("motion-int8.tflite", "native 0.1.0 avx2", "mcu", ""),
        ("motion-int8.onnx", "onnxruntime 1.32.0", "browser", ""),
    ],
)
def test_the_device_needs_an_extra_only_for_what_native_does_not_run(
    artifact: str, backend: str, device: str | None, wheel: str
) -> None:
    command = install_command(artifact, backend, PROFILES[device] if device else None)
    assert command.replace(f"edgernn-{edgernn.__version__}-cp311-abi3-", "") == (
        f"pip install {wheel}" if wheel else ""
    )


def test_a_microcontroller_gets_source_of_which_a_line_says_the_memory(capsys: pytest.CaptureFixture[str]) -> None:
    timed = result(measured("Keras", role="original"), measured("a.tflite"))
    proof = Proof(Task("classification"), 10, SAME, SAME, 1.0, 0.0)
    file = TargetResult(Target("tflite", "int8", "unrolled"), Path("a.tflite"), "passed", size_bytes=9, proof=proof)
    sources = [
        TargetResult(Target("c", kind, "step"), Path(f"{kind}.c"), status, size_bytes=9, proof=proof, device=facts)
        for kind, status, facts in (
            ("float32", "passed", DeviceFacts(5_000, 80, ())),
            ("int8", "passed", DeviceFacts(4_000, 60, ("small",))),
            ("wrong", "failed", DeviceFacts(3_000, 60, ())),
        )
    ]
    print_rows([file, *sources], timed, judge(timed), keep_failed=False)
    written = " ".join(capsys.readouterr().out.split())
    assert "mcu: int8.c" in written
    assert "int8.c: small." in written
    timed = replace(timed, profile="mcu")
    print_rows([file, *sources], timed, judge(timed), profile="mcu", keep_failed=False)
    written = " ".join(capsys.readouterr().out.split())
    assert written.endswith(
        "Ship int8.c for a microcontroller: 4,000 bytes of flash, 60 bytes of RAM, 100.00% agreement with Keras, no "
        "interpreter."
    )
    print_rows([file], timed, judge(timed), profile="mcu", keep_failed=False)
    assert "--to c makes C source, which needs no interpreter there." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        ("", "On a 64-bit Raspberry Pi:     pip install .*[litert]"),
        ("pi2", "On a Raspberry Pi 2:     pip install .*[tflite]"),
        ("mcu", ""),
    ],
)
def test_the_last_lines_say_what_to_install_where(profile: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    timed = result(measured("Keras", role="original"), measured("a.tflite"), profile=profile)
    proof = Proof(Task("classification"), 10, SAME, SAME, 1.0, 0.0)
    row = TargetResult(Target("tflite", "int8", "unrolled"), Path("a.tflite"), "passed", size_bytes=9, proof=proof)
    print_rows([row], timed, judge(timed), profile=profile, keep_failed=False)
    last = " ".join(capsys.readouterr().out.splitlines()[-2:])
    begin, _, end = line.partition(".*")
    assert (last.startswith(begin) and last.endswith(f'{end}"')) if line else "On " not in last
