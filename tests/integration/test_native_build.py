"""The build of the extension in C: only on request, with the kernels of the processor, one sentence if impossible.

tests/install builds and installs the wheels themselves.
"""

import re
from pathlib import Path
from typing import Any

import build_native
import pytest
from build_native import TARGETS, VARIABLE, CompilerError, NativeBuildError, NativeBuildHook

from edgernn import __version__
from edgernn.system.extras import NATIVE_WHEELS


@pytest.fixture
def hook() -> Any:
    # The hook does not use what is None here.
    unused: Any = None
    return NativeBuildHook(str(build_native.ROOT), {}, unused, unused, "", "wheel")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder that stands for runtime/native."""
    monkeypatch.setattr(build_native, "ROOT", tmp_path)
    monkeypatch.setattr(build_native, "SOURCES", tmp_path)
    monkeypatch.setattr(build_native, "IN_CHECKOUT", tmp_path / "edgernn" / build_native.NAME)
    return tmp_path


@pytest.mark.parametrize(("platform", "version"), [(None, "standard"), ("", "standard"), ("aarch64", "editable")])
def test_a_wheel_stays_pure_unless_a_platform_is_asked_for(
    hook: Any, monkeypatch: pytest.MonkeyPatch, platform: str | None, version: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if platform is not None:
        monkeypatch.setenv(VARIABLE, platform)
    build_data: dict[str, Any] = {"force_include": {}, "pure_python": True, "tag": ""}
    hook.initialize(version, build_data)
    assert build_data == {"force_include": {}, "pure_python": True, "tag": ""}
    assert hook.dependencies() == (["ziglang"] if platform else [])


def test_an_unknown_platform_is_refused(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "arm64")
    with pytest.raises(
        SystemExit, match=r"^EDGERNN_WHEEL_PLATFORM=arm64: .* 'arm64'; expected one of x86_64, aarch64, armv7l, armv6l$"
    ):
        hook.initialize("standard", {})


@pytest.mark.parametrize(
    ("machine", "kernels"),
    [
        ("x86_64", {"avx2", "avxvnni", "avx512vnni"}),
        ("aarch64", {"neon", "neondot"}),
        ("armv7l", {"neon"}),
        ("armv6l", set()),
    ],
)
def test_a_processor_gets_its_own_kernels(sources: Path, machine: str, kernels: set[str]) -> None:
    every = {"avx2", "avxvnni", "avx512vnni", "neon", "neondot"}
    for stem in ("cpu", "module", "kernels", "kernels_scalar", *(f"kernels_{name}" for name in every)):
        (sources / f"{stem}.c").touch()
    found = dict(build_native.files_and_flags(TARGETS[machine]))
    common = {"cpu", "module", "kernels", "kernels_scalar"}
    assert {path.stem for path in found} == common | {f"kernels_{name}" for name in kernels}
    # Only kernels may use more than the processor that the wheel requires.
    assert all(found[sources / f"{stem}.c"] == [TARGETS[machine].flags] for stem in common)


@pytest.mark.parametrize(
    ("machine", "why"),
    [("riscv64", "linux on riscv64 with 64 bits is not supported"), ("x86_64", "pip install ziglang")],
)
def test_where_it_cannot_be_built_one_sentence_says_why(
    sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], machine: str, why: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(build_native, "find_spec", lambda _: None)
    build_native.main([])
    shown = capsys.readouterr()
    assert re.fullmatch(rf"edgernn: the native kernels were not built, everything else works: .*{why}\n", shown.err)
    assert shown.out == ""
    assert not list(sources.iterdir())


def test_without_the_headers_of_python_it_names_their_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(NativeBuildError, match="apt-get install python3-dev"):
        build_native.build("x86_64", tmp_path)


def test_warnings_of_the_compiler_are_errors(sources: Path) -> None:
    (sources / "cpu.c").write_text("int edgernn_narrow(long wide);\nint edgernn_narrow(long wide) { return wide; }\n")
    with pytest.raises(CompilerError, match=r"cpu\.c:2:.*-Wshorten-64-to-32"):
        build_native.build("x86_64", sources / "made")


@pytest.mark.parametrize(("machine", "kernels", "fused"), [("x86_64", "avx2", "vfmadd"), ("aarch64", "neon", "fmadd")])
def test_a_product_and_a_sum_are_rounded_apart(sources: Path, machine: str, kernels: str, fused: str) -> None:
    """The processor has an instruction that rounds once; with the flags that contract, the compiler uses it."""
    source, assembly = sources / "cpu.c", sources / "cpu.s"
    source.write_text("float f(float a, float b, float c);\nfloat f(float a, float b, float c) { return a * b + c; }\n")

    def compiled(*words: str) -> str:
        flags = [*build_native.FLAGS, *TARGETS[machine].kernels[kernels].split(), *words]
        build_native.zig_cc(
            TARGETS[machine], [*flags, "-Wno-unused-command-line-argument", "-S", str(source), "-o", str(assembly)]
        )
        return assembly.read_text(encoding="utf-8")

    assert fused in compiled("-ffp-contract=fast")
    assert fused not in compiled()


def test_the_page_about_installing_names_every_wheel() -> None:
    page = (Path(build_native.__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    names = [f"edgernn-{__version__}-cp311-abi3-{target.tag}.whl" for target in TARGETS.values()]
    assert list(dict.fromkeys(re.findall(r"edgernn-[\w.-]*-abi3-\w*\.whl", page))) == names
    assert list(NATIVE_WHEELS.items()) == list(zip(TARGETS, names, strict=True))


def test_headers_for_32_bits_differ_from_those_here(tmp_path: Path) -> None:
    assert "-include" not in build_native.header_flags(TARGETS["x86_64"], tmp_path)
    flags = build_native.header_flags(TARGETS["armv7l"], tmp_path)
    text = Path(flags[flags.index("-include") + 1]).read_text(encoding="utf-8")
    for name in ("SIZEOF_LONG", "SIZEOF_VOID_P", "SIZEOF_SIZE_T", "ALIGNOF_LONG"):
        assert re.findall(rf"^#define {name} (\d+)$", text, re.M) == ["4"], name
    assert re.findall(r"^#define SIZEOF_LONG_LONG (\d+)$", text, re.M) == ["8"]
