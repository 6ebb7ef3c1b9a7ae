"""Fuzzing of the native backend: damaged files through the reader, damaged plans through the engine; `make fuzz`.

Files are damaged at random; the reader may refuse them only with an EdgernnError. The plans of those that it accepts
are in the engine's corpus, beside plans of good files and of made-up programs. libFuzzer then changes plans, and the
engine runs under AddressSanitizer and UndefinedBehaviorSanitizer (fuzz_engine.c).
"""

import argparse
import hashlib
import random
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import build_native
import made_up_programs

import edgernn
from edgernn.errors import EdgernnError
from edgernn.program.plan import EnginePlan, make_plan
from edgernn.program.reader import read_program

SANITIZERS = "address,undefined"
# -O1: the sanitizers find less in optimized code.
FLAGS = ("-std=c99", "-O1", "-g", "-ffp-contract=off", f"-fsanitize=fuzzer-no-link,{SANITIZERS}")
STOP_AT_UNDEFINED = "-fno-sanitize-recover=undefined"
# libFuzzer is slow with large inputs.
MAX_INPUT_BYTES = 48_000
SECONDS_OF_AN_INPUT, MEGABYTES = 30, 3000


def main() -> None:
    """Fuzz the reader, then the engine; exit code 1 if something is found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="for the program, its corpus and what it finds")
    parser.add_argument("--seconds", type=int, default=600, help="of the engine")
    parser.add_argument("--mutants", type=int, default=20_000, help="of files")
    parser.add_argument("--files", type=Path, help="folder with more .tflite files")
    words = parser.parse_args()
    if words.files and not any(words.files.glob("*.tflite")):
        sys.exit(f"{words.files}: no .tflite files in this folder")
    if not shutil.which("clang"):
        sys.exit("no clang found, which has libFuzzer: apt-get install clang libclang-rt-14-dev")
    seeds = words.folder / "seeds"
    seeds.mkdir(parents=True, exist_ok=True)
    files = [edgernn.sample().read_bytes()]
    files += [path.read_bytes() for path in sorted(words.files.glob("*.tflite"))] if words.files else []
    good = [make_plan(program) for program in made_up_programs.every_operator().values()]
    for plan in [*good, *_fuzz_reader(files, words.mutants)]:
        _write(plan, seeds)
    try:
        program = _compile(words.folder)
    except (subprocess.CalledProcessError, build_native.NativeBuildError) as error:
        sys.exit(f"{error}; libFuzzer is in the package libclang-rt-14-dev, or that of another version of clang")
    sys.exit(_fuzz_engine(program, words.folder, words.seconds))


def _fuzz_reader(files: list[bytes], count: int) -> Iterator[EnginePlan]:
    """Yield the plans of good files and of damaged ones that are accepted; print what became of them."""
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(-len(files), count):
        data = files[number] if number < 0 else _damaged(files[number % len(files)], random.Random(number))  # noqa: S311
        start = time.perf_counter()
        try:
            plan = make_plan(read_program(data))
        except EdgernnError as error:
            outcomes[type(error).__name__] += 1
        except Exception:
            sys.stderr.write(f"damaged file {number} of {len(files)} files:\n")
            raise
        else:
            outcomes["accepted"] += 1
            yield plan
        slowest = max(slowest, time.perf_counter() - start)
    listed = ", ".join(f"{name} {times:,}" for name, times in outcomes.most_common())
    sys.stdout.write(f"reader: {count:,} damaged files: {listed}; the slowest took {slowest:.2f} s\n")
    sys.stdout.flush()


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Return a file with a few bytes changed, with another 32-bit integer, with a part moved, or cut off."""
    content = bytearray(data)
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(content[: rng.randrange(len(content))])
    if kind == 1:
        start, end, place = (rng.randrange(len(content)) for _ in range(3))
        part = content[start : start + min(64, abs(end - start))]
        content[place : place + len(part)] = part
        return bytes(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if kind < 5:
            content[rng.randrange(len(content))] = rng.randrange(256)
        else:
            place = rng.randrange(len(content) // 4) * 4
            (old,) = struct.unpack_from("<i", content, place)
            new = rng.choice((old + 1, old - 1, old + 4, old - 4, 0, -1, 1 << 20, (1 << 31) - 1, -(1 << 31)))
            struct.pack_into("<I", content, place, new & 0xFFFFFFFF)
    return bytes(content)


def _write(plan: EnginePlan, folder: Path) -> None:
    """Write a plan as an input of fuzz_engine.c; the name is that of its content."""
    data = made_up_programs.fuzz_input(plan)
    if len(data) <= MAX_INPUT_BYTES:
        (folder / hashlib.sha256(data).hexdigest()[:20]).write_bytes(data)


def _fuzz_engine(program: Path, folder: Path, seconds: int) -> int:
    """Run fuzz_engine.c; return its exit code."""
    for name in ("corpus", "found"):
        (folder / name).mkdir(exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS_OF_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}"]
    limits += [f"-malloc_limit_mb={MEGABYTES}", f"-max_len={MAX_INPUT_BYTES}"]
    places = [f"-artifact_prefix={folder / 'found'}/", folder / "corpus", folder / "seeds"]
    log = folder / "fuzz.log"
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.call([program, *limits, "-print_final_stats=1", *places], stdout=file, stderr=file)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line for line in lines if "ERROR" in line or "runtime error" in line]
    runs = [line.split()[-1] for line in lines if line.startswith("stat::number_of_executed_units")]
    sys.stdout.write(f"engine: {int(runs[-1]) if runs else 0:,} plans, exit code {code}; {log}\n")
    sys.stdout.write("".join(f"  {line}\n" for line in found))
    return code


def _compile(folder: Path) -> Path:
    """Compile fuzz_engine.c with the engine for this machine."""
    target = build_native.TARGETS[build_native.this_machine()]
    own = Path(__file__).parent / "fuzz_engine.c"
    objects = []
    # fuzz_engine.c includes engine.c; module.c needs Python.
    sources = [each for each in build_native.files_and_flags(target) if each[0].stem not in ("engine", "module")]
    for source, flags in [*sources, (own, [])]:
        # zig's names of processors are not clang's.
        options = [flag for word in flags for flag in word.split() if not flag.startswith(("-mcpu=x86", "-Os"))]
        made = folder / f"{source.stem}.o"
        subprocess.run(["clang", *FLAGS, STOP_AT_UNDEFINED, *options, "-c", source, "-o", made], check=True)
        objects.append(made)
    program = folder / "fuzz"
    subprocess.run(["clang", f"-fsanitize=fuzzer,{SANITIZERS}", *objects, "-lm", "-o", program], check=True)
    return program


if __name__ == "__main__":
    main()
