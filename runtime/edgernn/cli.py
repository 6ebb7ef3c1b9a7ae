"""The command line: one group whose commands are imported when they are called."""

import errno
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from edgernn import __version__
from edgernn.console.terminal import say
from edgernn.errors import EdgernnError, printable
from edgernn.suggestions import did_you_mean
from edgernn.system.interrupt import Interrupted, exit_code
from edgernn.system.quiet import secure_standard_streams

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _Entry(NamedTuple):
    """A command: module and attribute, and its line in the list of commands."""

    place: str
    line: str


# The other packages are named here as text: `edgernn` imports none of them, and a device never loads them. The lines
# are here, too, so that the list of commands imports no command.
_COMMANDS = {
    "demo": _Entry("edgernn.commands.demo:demo", "Train on real digits, export, prove and compare; 90 seconds."),
    "train": _Entry("edgernn_train.command:train", "Train a small classifier and write a run folder for export."),
    "export": _Entry(
        "edgernn_export.command:command", "Export a Keras model to TFLite and ONNX files; prove each one."
    ),
    "compact": _Entry("edgernn_export.compact_command:command", "Rewrite a .tflite file as small as possible."),
    "compare": _Entry("edgernn_benchmarks.command:command", "Compare artifacts with their Keras model in one table."),
    "report": _Entry("edgernn_benchmarks.command:report", "Show results again, or those of several devices or days."),
    "info": _Entry("edgernn.commands.info:info", "Describe artifacts and other model files; needs no backend."),
    "predict": _Entry("edgernn.commands.predict:predict", "Predict classes or values for arrays and pictures."),
    "stream": _Entry("edgernn.commands.stream_lines:stream", "Answer time steps as they arrive on standard input."),
    "bench": _Entry("edgernn.commands.bench:bench", "Measure the latency of artifacts on this device."),
}


# click 8.1 has no such error, because it prints the help itself.
_NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())


class _LazyGroup(click.Group):
    """Group that imports a command when it is called, and reports errors and signals in one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click would compare a mistyped name with the commands that are imported, which are none.
        if args[0] not in _COMMANDS and not ctx.resilient_parsing and args[0][:1] != "-":
            hint = did_you_mean(args[0], _COMMANDS) or f"; expected one of {', '.join(_COMMANDS)}"
            ctx.fail(f"No such command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete the name of a command from the table; click would import every command for its line of help."""
        from click.shell_completion import CompletionItem

        items = [CompletionItem(name, help=entry.line) for name, entry in _COMMANDS.items()]
        return [item for item in items if item.value.startswith(incomplete)] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.line) for name, entry in _COMMANDS.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        secure_standard_streams()
        with _printable_usage():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        if sys.stdout is None:
            say("error: standard output is closed; the command prints its answer there", err=True)
            ctx.exit(1)
        # Characters that the output's encoding lacks, such as ±, become question marks in place of an error.
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="replace")
        try:
            with _printable_usage():
                return super().invoke(ctx)
        except EdgernnError as error:
            say(f"error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt as error:
            # click would end with exit code 1.
            ctx.exit(exit_code(error.number if isinstance(error, Interrupted) else signal.SIGINT))
        except OSError as error:
            # click handles a closed pipe; a full disk at standard output is reported here.
            if error.errno != errno.ENOSPC:
                raise
            say(f"error: cannot write standard output: {error.strerror}", err=True)
            ctx.exit(1)


@contextmanager
def _printable_usage() -> Iterator[None]:
    """Escape the arguments that click quotes in errors of usage, as they may be file names."""
    try:
        yield
    except _NO_ARGUMENTS:  # its message is the help, which quotes no argument
        raise
    except click.ClickException as error:
        vars(error)["message"] = printable(error.message)  # final for type checkers only
        raise


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgernn")
def main() -> None:
    """Take a Keras recurrent model to small devices, and prove that each file still answers like the original.

    \b
    Example:
        edgernn demo
    """
