"""Reading an .npz unpacks only arrays that are asked for, and no more data than their headers declare."""

import hashlib
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from edgernn import sample
from edgernn.cli import main
from edgernn.data.readers import Archive, read_array, read_npz
from edgernn.errors import DataError

BOMB_BYTES = 32 << 20


def saved(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def header_of(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@contextmanager
def little_memory(max_bytes: int = 16 << 20) -> Iterator[None]:
    """Check that the memory of Python and NumPy stays under this many bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < max_bytes
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    long_header = b"\x93NUMPY\x02\x00" + struct.pack("<I", BOMB_BYTES) + b" " * BOMB_BYTES
    return {
        "data": header_of((BOMB_BYTES,)) + bytes(BOMB_BYTES),
        "header": long_header,
        "claim": header_of((1 << 50,)) + b"123",
        "cut": header_of((BOMB_BYTES,)) + b"123",
        "more": header_of((4,)) + bytes(BOMB_BYTES),
        "text": header_of((1,), f"<U{1 << 24}") + bytes(1000),
    }


def state_members() -> dict[str, bytes]:
    digest = hashlib.sha256(sample().read_bytes()).hexdigest()
    values = {"format": 1, "artifact": "x", "sha256": digest, "rows": 3, "state_000": np.zeros(64, np.int8)}
    return {f"{name}.npy": saved(value) for name, value in values.items()}


@pytest.mark.parametrize("where", ["junk", "rows", "state_000"])
@pytest.mark.parametrize("kind", ["data", "header", "claim", "cut", "more", "text"])
def test_a_state_is_not_unpacked_before_it_is_looked_at(
    kind: str, where: str, bombs: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "state.npz"
    write(path, state_members() | {f"{where}.npy": bombs[kind]})
    with little_memory():
        result = CliRunner().invoke(main, ["stream", str(sample()), "--state", str(path)], input="")
    if where == "junk":  # it is not asked for
        assert result.exit_code == 0, result.output
    else:
        assert result.exit_code == 1
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert str(path) in errors[0]


@pytest.mark.parametrize("kind", ["header", "claim", "cut", "more", "text"])
def test_arrays_of_a_user_are_held_to_their_headers(kind: str, bombs: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write(path, {"x.npy": bombs[kind], "other.npy": bombs["data"]})
    with little_memory(), pytest.raises(DataError, match=r"x\.npz: "):
        read_array(path)
    (tmp_path / "x.npy").write_bytes(bombs[kind][: 1 << 20])
    if kind != "more":
        with little_memory(), pytest.raises(DataError, match=r"x\.npy: cannot be read as \.npy"):
            read_array(tmp_path / "x.npy")


@pytest.mark.parametrize("descr", ["<U0", "|S0", "|V0"])
@pytest.mark.parametrize("shape", [(1 << 40,), (3,), (1 << 20, 1 << 20)])
def test_elements_without_a_size_are_refused(descr: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    write(tmp_path / "x.npz", {"x.npy": header_of(shape, descr)})
    (tmp_path / "x.npy").write_bytes(header_of(shape, descr))
    for name in ("x.npz", "x.npy"):
        with little_memory(), pytest.raises(DataError, match=f"{name}: cannot be read as .*which has no size"):
            read_array(tmp_path / name)


@pytest.mark.parametrize("descr", ["<U1", ">U1", "<U2"])
def test_text_of_what_are_no_characters_is_refused(descr: str, tmp_path: Path) -> None:
    order = "little" if descr.startswith("<") else "big"
    content = header_of((2,), descr) + (b"\0\0\0\0" * (int(descr[2:]) * 2 - 1)) + 0x110000.to_bytes(4, order)
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npy: .*code point 0x110000, which is not a character"):
        read_array(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(content[:-4] + 0x10FFFF.to_bytes(4, order))
    assert read_array(tmp_path / "x.npy")[-1].endswith("\U0010ffff")
    state = tmp_path / "state.npz"
    write(state, state_members() | {"artifact.npy": content, "sha256.npy": saved("0")})
    result = CliRunner().invoke(main, ["stream", str(sample()), "--state", str(state)], input="")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {state}: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_knows_no_limit_is_refused(method: int, tmp_path: Path, bombs: dict[str, bytes]) -> None:
    path = tmp_path / "x.npz"
    write(path, {"x.npy": bombs["data"][: 1 << 20]}, method)
    with pytest.raises(DataError, match="expected deflate; save it with numpy"):
        read_array(path)


def test_members_that_are_no_arrays_matter_when_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", {"x.npy": saved([1.0, 2.0]), "notes.txt": b"hello", "broken.npy": b"junk"})
    archive = read_npz(tmp_path / "a.npz")
    assert list(archive) == ["x", "notes.txt", "broken"]
    np.testing.assert_array_equal(archive["x"], [1, 2])
    for name, message in {
        "notes.txt": "is not an array; save arrays of numbers",
        "broken": "not an array that NumPy saved",
    }.items():
        with pytest.raises(DataError, match=message):
            archive[name]
    with pytest.raises(KeyError):
        archive["missing"]


@given(
    st.dictionaries(
        st.text("abcxyz_", min_size=1, max_size=5),
        arrays(scalar_dtypes(), array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
        max_size=3,
    ),
    st.booleans(),
)
def test_what_numpy_saves_is_read_back(tmp_path_factory: pytest.TempPathFactory, held: Any, packed: bool) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    held = {name: value.T for name, value in held.items()}  # some of these have their columns first
    (np.savez_compressed if packed else np.savez)(path, **held)
    archive = Archive(path)
    assert set(archive) == set(held)
    for name, value in held.items():
        np.testing.assert_array_equal(archive[name], value)
        assert archive[name].dtype == value.dtype
        assert archive[name].shape == value.shape


@given(data=st.data())
def test_damaged_archives_are_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    np.savez_compressed(path, x=np.arange(60.0).reshape(3, 4, 5), y=np.arange(3))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        dict(read_npz(path))
    except DataError as error:
        assert str(path) in str(error)


def test_more_arrays_than_are_read_are_refused_together(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000, np.uint8), y=np.zeros(1000, np.uint8))
    archive = Archive(tmp_path / "a.npz", 1500)
    assert len(archive["x"]) == 1000
    with pytest.raises(DataError, match="2,000 bytes unpacked; expected at most 1,500"):
        archive["y"]


def test_a_state_of_this_model_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write(path, state_members())
    row = " ".join(["0"] * 28)
    result = CliRunner().invoke(main, ["stream", str(sample()), "--state", str(path), "--json"], input=row)
    assert '"row": 4' in result.stdout
