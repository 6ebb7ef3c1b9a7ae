"""The language of the code: the openings, words and names that CONTRIBUTING.md rules out."""

import ast
import re
import subprocess
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("runtime/", "train/", "export/", "benchmarks/")
# A docstring that opens so makes the reader guess its subject.
OPENING = re.compile(r"(What|How|Of|That|Those|So|Where|Whether|Why|Who|Whose|Which)\b")
WORDS = re.compile(
    r"\b(nobody|somebody|whoever|afresh|such a one|such ones|so many|so much|of its own|of their own|by itself)\b", re.I
)
LIMITS = re.compile(r"\b_?(LEAST|MOST|LARGEST|SMALLEST)_\w+|\b\w+_(LEAST|MOST)\b")


def listed(*patterns: str) -> list[Path]:
    found = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in found.split("\n") if name and (path := ROOT / name).exists()]


FILES = listed("*.py")
OURS = [path for path in FILES if str(path.relative_to(ROOT)).startswith(PACKAGES)]
PAGES = [path for path in listed("*.md") if "peers/tools" not in str(path)]


def documented(tree: ast.AST) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [text for node in ast.walk(tree) if isinstance(node, kinds) and (text := ast.get_docstring(node))]


def test_no_docstring_opens_without_its_subject() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in FILES
        for text in documented(ast.parse(path.read_text("utf-8")))
        if OPENING.match(text)
    ]
    assert found == []


def test_no_vague_word_is_used() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in (*FILES, *PAGES)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if WORDS.search(line)
    ]
    assert found == []


def test_limits_are_min_and_max() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in FILES
        if path != Path(__file__)
        for match in LIMITS.finditer(path.read_text("utf-8"))
    ]
    assert found == []


def test_no_class_has_the_name_of_another() -> None:
    places = defaultdict(list)
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_only_stages_of_sibling_folders_share_a_file_name() -> None:
    places = defaultdict(list)
    for path in OURS:
        if path.name not in ("__init__.py", "__main__.py", "command.py"):
            places[path.name].append(path.relative_to(ROOT))
    shared = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert [paths for paths in shared.values() if len({path.parents[1] for path in paths}) > 1] == []
