"""An export without a child process, which would import TensorFlow again."""

from typing import Self

from edgernn.data.run_folder import Original
from edgernn_export.artifact import ExportResult, make_artifact
from edgernn_export.formats import plan_for
from edgernn_export.formats.base import Plan
from edgernn_export.settings import Settings
from edgernn_export.source import Source
from edgernn_export.targets import Target


class InProcess:
    """Stand-in for the worker: makes artifacts in the tests' own process, where TensorFlow is loaded already.

    The real worker makes the session's `artifacts`, and is tested in test_worker.py.
    """

    def __init__(self, original: Original, settings: Settings) -> None:
        self._arguments = (original, settings)
        self._source: Source | None = None

    def plan(self) -> Plan:
        return plan_for(self._opened())

    def make(self, target: Target) -> ExportResult:
        return make_artifact(self._opened(), target)

    def _opened(self) -> Source:
        self._source = self._source or Source(*self._arguments)
        return self._source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass
