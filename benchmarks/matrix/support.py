"""The command of the support page: exports many models as every artifact and writes the results by layer."""

import sys
from pathlib import Path

import click

from common.versions import versions
from edgernn.system.files import write_bytes
from matrix.checking import look_isolated, problems
from matrix.refused import REFUSED, refusal
from matrix.support_page import describe

PAGE = Path(__file__).parents[2] / "docs" / "support.md"


@click.command()
@click.argument("count", type=click.IntRange(min=1))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=PAGE, help="[default: docs/support.md]")
def main(count: int, out: Path) -> None:
    """Export the first COUNT models as every artifact, compare each with Keras, and write the page.

    Exit code 1 if an artifact is outside its tolerance, or is missing without a clear message. Each model takes about
    4 s.

    \b
    Example:
        python -m benchmarks support 160
    """
    results, wrong = [], 0
    for number, each in enumerate(look_isolated(count), start=1):
        click.echo(f"{number} of {count}: {each.architecture}", err=True)
        for problem in problems(each):
            click.echo(f"problem: {problem}", err=True)
            wrong += 1
        results.append(each)
    refused = {name: refusal(name) for name in REFUSED}
    write_bytes(out, describe(results, refused, versions()).encode())
    click.echo(f"{out} written")
    sys.exit(1 if wrong or not all(refused.values()) else 0)
