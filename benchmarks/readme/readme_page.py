"""Write the figures of README.md, in English and Korean, and its picture from one `edgernn compare --peers --json`."""

import textwrap
from dataclasses import dataclass
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
PICTURE = ROOT / "docs" / "accuracy-latency-size.svg"
WIDTH = 120
# Names of the generated parts.
EXAMPLE, TABLE = "example", "table"
FUNCTION, PREDICT = "Keras tf.function", "Keras predict"


@dataclass(frozen=True)
class Readme:
    """A README of one language.

    Attributes:
        page: its file.
        example: template of the paragraph about the recommended artifact.
        picture: template of the picture's description.
        measured: template of the sentence about the machine and the time of the measurement.
        unreliable: template of the sentence about marked figures.
    """

    page: Path
    example: str
    picture: str
    measured: str
    unreliable: str


ENGLISH = Readme(
    page=ROOT / "README.md",
    example=(
        "For example, `{best}` has {score} {measure} (Keras: {keras_score}) in {size} bytes, and answers in {time}. "
        "The file of TensorFlow's own converter has {stock_size} bytes and takes {stock_time}. Keras takes "
        "{function_time} as a compiled `tf.function` and {predict_time} in `predict`:"
    ),
    picture="Accuracy, latency and file size of {count} exported files, their Keras model and stock conversions",
    measured="Measured on {machine}, {started}, on {samples} test images.",
    unreliable="`!` marks a time or speed that is unreliable: its interval is wider than ±{spread}.",
)
KOREAN = Readme(
    page=ROOT / "README.ko.md",
    example=(
        "예를 들어 `{best}`의 {measure}는 {score}이고(Keras: {keras_score}), 크기는 {size}바이트이며, "
        "{time} 만에 답합니다. TensorFlow의 변환기로 만든 파일은 {stock_size}바이트이고 {stock_time}가 걸립니다. "
        "Keras는 컴파일한 `tf.function`으로 {function_time}, `predict`로 {predict_time}가 걸립니다."
    ),
    picture="내보낸 파일 {count}개, 그 Keras 모델, 일반 변환기로 만든 파일의 정확도, 걸리는 시간, 파일 크기",
    measured="{machine}에서 {started}에 테스트 이미지 {samples}개로 쟀습니다.",
    unreliable="`!`는 믿을 수 없는 시간이나 속도입니다. 그 신뢰 구간이 ±{spread}보다 넓습니다.",
)


@click.command()
@click.argument("json_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(json_file: Path) -> None:
    """Write the figures of each README, and its picture, from a result of `edgernn compare --peers --json`.

    \b
    Example:
        edgernn compare runs/demo --peers --json build/readme.json
        python -m benchmarks readme build/readme.json
    """
    result = read_result(json_file)
    parts = {readme: (example_part(result, readme), table_part(result, readme)) for readme in (ENGLISH, KOREAN)}
    picture = draw_picture(result)
    for readme, (example, table) in parts.items():
        fill_in(readme.page, EXAMPLE, example)
        fill_in(readme.page, TABLE, table)
    write_bytes(PICTURE, picture.encode())
    click.echo(f"{', '.join(readme.page.name for readme in parts)} and {PICTURE.relative_to(ROOT)} written")


def example_part(result: Result, readme: Readme = ENGLISH) -> str:
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

    words = readme.example.format(
        best=best.name,
        score=score(best),
        measure=MEASURES[headline],
        keras_score=score(function),
        size=f"{best.size_bytes:,}",
        time=_time(best),
        stock_size=f"{stock.size_bytes:,}",
        stock_time=_time(stock),
        function_time=_time(function),
        predict_time=_time(predict),
    )
    title = readme.picture.format(count=len(result.artifacts))
    return f"{_wrapped(words)}\n\n![{title}]({PICTURE.relative_to(ROOT)})"


def table_part(result: Result, readme: Readme = ENGLISH) -> str:
    """Return where and when the result was measured, its table and the verdict."""
    verdict = judge(result)
    words = readme.measured.format(
        machine=describe(result.machine), started=result.started, samples=f"{result.samples:,}"
    )
    if not result.believed:
        words += " " + readme.unreliable.format(spread=f"{MAX_SPREAD:.1%}")
    console = make_console()
    with console.capture() as captured:
        console.print(result_table(result, verdict.recommended))
        console.print(*verdict_lines(result, verdict), sep="\n")
    return f"{_wrapped(words)}\n\n{preformatted(captured.get())}"


def _time(subject: Measured) -> str:
    return show_time(subject.predict.median_us)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
