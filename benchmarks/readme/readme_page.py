"""Write the figures of README.md and its picture, all from one result of `edgernn compare --peers --json`."""

import textwrap
from pathlib import Path

import click

from common.pages import fill_in, preformatted
from edgernn.bench.document import read_result
from edgernn.bench.environment import describe
from edgernn.bench.result import Measured, Result
from edgernn.bench.statistics import MAX_SPREAD
from edgernn.bench.verdict import judge
from edgernn.console.measuring import show_time
from edgernn.errors import DataError
from edgernn.system.files import write_bytes
from edgernn.tasks import MEASURES, show
from edgernn_benchmarks.conversions import TFLITE
from edgernn_benchmarks.terminal_table import result_table, verdict_lines
from edgernn_export.console import make_console
from readme.picture import draw_picture

ROOT = Path(__file__).parents[2]
README, PICTURE = ROOT / "README.md", ROOT / "docs" / "accuracy-latency-size.svg"
WIDTH = 120
# Names of the generated parts.
EXAMPLE, TABLE = "example", "table"
FUNCTION, PREDICT = "Keras tf.function", "Keras predict"


@click.command()
@click.argument("json_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(json_file: Path) -> None:
    """Write the figures of README.md, and its picture, from a result of `edgernn compare --peers --json`.

    \b
    Example:
        edgernn compare runs/demo --peers --json build/readme.json
        python -m benchmarks readme build/readme.json
    """
    result = read_result(json_file)
    example, table, picture = example_part(result), table_part(result), draw_picture(result)
    fill_in(README, EXAMPLE, example)
    fill_in(README, TABLE, table)
    write_bytes(PICTURE, picture.encode())
    click.echo(f"{README.name} and {PICTURE.relative_to(ROOT)} written")


def example_part(result: Result) -> str:
    """Return the paragraph about the recommended artifact, the stock conversion and Keras, and the picture.

    Raises:
        DataError: no artifact is recommended, accuracy is not known, or a subject is missing.
    """
    best, headline = judge(result).recommended, result.headline
    subjects = {each.name: each for each in result.subjects}
    missing = [name for name in (TFLITE, FUNCTION, PREDICT) if name not in subjects]
    if best is None or headline is None or missing:
        reason = (
            f"{missing[0]!r} was not measured" if missing else "no artifact is recommended, or accuracy is not known"
        )
        raise DataError(f"{reason}; expected a result of `edgernn compare runs/demo --peers --json FILE`")
    stock, function, predict = (subjects[name] for name in (TFLITE, FUNCTION, PREDICT))

    def score(subject: Measured) -> str:
        return show(headline, subject.answers.measures[headline]) if subject.answers else "–"

    words = (
        f"For example, `{best.name}` has {score(best)} {MEASURES[headline]} (Keras: {score(function)}) in "
        f"{best.size_bytes:,} bytes, and answers in {_time(best)}. The file of TensorFlow's own converter has "
        f"{stock.size_bytes:,} bytes and takes {_time(stock)}. Keras takes {_time(function)} as a compiled "
        f"`tf.function` and {_time(predict)} in `predict`:"
    )
    count = len(result.artifacts)
    title = f"Accuracy, latency and file size of {count} exported files, their Keras model and stock conversions"
    return f"{_wrapped(words)}\n\n![{title}]({PICTURE.relative_to(ROOT)})"


def table_part(result: Result) -> str:
    """Return where and when the result was measured, its table and the verdict."""
    verdict = judge(result)
    words = f"Measured on {describe(result.machine)}, {result.started}, on {result.samples:,} test images."
    if not result.believed:
        words += f" `!` marks a time or speed that is unreliable: its interval is wider than ±{MAX_SPREAD:.1%}."
    console = make_console()
    with console.capture() as captured:
        console.print(result_table(result, verdict.recommended))
        console.print(*verdict_lines(result, verdict), sep="\n")
    return f"{_wrapped(words)}\n\n{preformatted(captured.get())}"


def _time(subject: Measured) -> str:
    return show_time(subject.predict.median_us)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
