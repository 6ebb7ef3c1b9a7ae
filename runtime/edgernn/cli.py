"""The command line: one group whose commands are imported when they are called."""

import errno
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from edgernn import __version__
from edgernn.errors import EdgernnError, printable
from edgernn.interrupt import Interrupted, exit_code
from edgernn.quiet import secure_standard_streams
from edgernn.terminal import say

# The command's name, then where it lives. The other rooms are named here as text: `edgernn` imports
# none of them, and a device never loads them.
_COMMANDS = {
    "demo": "edgernn.commands.demo:demo",
    "train": "edgernn_train.command:train",
    "export": "edgernn_export.command:command",
    "compact": "edgernn_export.command:compact_command",
    "compare": "edgernn_benchmarks.command:command",
    "report": "edgernn_benchmarks.command:report",
    "info": "edgernn.commands.info:info",
    "predict": "edgernn.commands.predict:predict",
    "stream": "edgernn.commands.stream_lines:stream",
    "bench": "edgernn.commands.bench:bench",
}


class _LazyGroup(click.Group):
    """Group that imports a command when it is called, and reports errors and signals in one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        secure_standard_streams()
        with _printable_usage():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        if sys.stdout is None:
            say("error: standard output is closed, so there is no place for the answer", err=True)
            ctx.exit(1)
        # A terminal or a pipe that cannot write ± gets a question mark, and no traceback after minutes of work.
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="replace")
        try:
            with _printable_usage():
                return super().invoke(ctx)
        except EdgernnError as error:
            say(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt as error:
            # click would make exit code 1 of it.
            ctx.exit(exit_code(error.number if isinstance(error, Interrupted) else signal.SIGINT))
        except OSError as error:
            # A reader that has gone is click's to handle; a full disk behind standard output is said here.
            if error.errno != errno.ENOSPC:
                raise
            say(f"error: cannot write standard output: {error.strerror}", err=True)
            ctx.exit(1)


@contextmanager
def _printable_usage() -> Iterator[None]:
    """Escape the arguments that click quotes in errors of usage, as they may be file names."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = printable(error.message)  # final for type checkers only
        raise


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgernn")
def main() -> None:
    """Take a Keras recurrent model to small devices, and prove that it is still the same model.

    \b
    Example:
        edgernn demo
    """
