"""The worker: convert in a child process, so that a converter's crash or hang costs one artifact, not the command."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edgernn.data.run_folder import Original
from edgernn.errors import ExportError
from edgernn.system.child import Child, ChildError, ChildTimeError
from edgernn.system.quiet import standard_error_aside
from edgernn_export.formats.base import Plan, Target
from edgernn_export.settings import Settings

if TYPE_CHECKING:
    from edgernn_export.artifact import ExportResult

# Keras imports these packages if they are installed: for plots, data frames and the interface of scikit-learn. An
# export needs none of them, and they take 40 % of the processor time of importing TensorFlow and Keras.
_NOT_NEEDED = ("matplotlib", "pandas", "sklearn")


class Worker:
    """Maker of artifacts in a child process, which starts on demand and again after a crash.

    Args:
        original: the Keras model, with samples.
        settings: the user's choices.
    """

    def __init__(self, original: Original, settings: Settings) -> None:
        self._original, self._settings = original, settings
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the child; None before it is started."""
        return self._child.pid if self._child else None

    def plan(self) -> Plan:
        """Choose the targets for the model, see `Format.plan`.

        Raises:
            EdgernnError: as `make`.
        """
        plan: Plan = self._ask(None)
        return plan

    def make(self, target: Target) -> "ExportResult":
        """Make one artifact.

        Raises:
            ExportError: a converter fails, crashes or takes too long.
            EdgernnError: the model or the samples cannot be used at all, see `Source`.
        """
        result: ExportResult = self._ask(target)
        return result

    def _ask(self, request: Target | None) -> Any:
        child = self._child = self._child or Child(serve, self._original, self._settings)
        try:
            return child.ask(request, self._settings.time_limit_s)
        except ChildError as error:
            if not child.alive:
                self._child = None
            way_out = "; --time-limit sets the limit" if isinstance(error, ChildTimeError) else ""
            raise ExportError(f"the converter {error}{way_out}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.close()


def serve(original: Original, settings: Settings) -> "Callable[[Target | None], ExportResult | Plan]":
    """Read the model in the child; return a function that makes an artifact, or without a target the plan."""
    from edgernn_export.artifact import make_artifact
    from edgernn_export.formats import plan_for
    from edgernn_export.source import Source

    for name in _NOT_NEEDED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: importing it raises ImportError
    # The messages of converters would appear in the caller's notebook or log.
    with standard_error_aside():
        source = Source(original, settings)

    def make(target: Target | None) -> "ExportResult | Plan":
        with standard_error_aside():
            return make_artifact(source, target) if target else plan_for(source)

    return make
