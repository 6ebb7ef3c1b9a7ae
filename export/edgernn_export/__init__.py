"""Export: a Keras recurrent model to artifacts, each proven against it.

from edgernn_export import export
rows = export("runs/digits")
"""

from edgernn_export.pipeline import TargetResult, export
from edgernn_export.proof import Proof
from edgernn_export.settings import Settings
from edgernn_export.targets import Target, select_targets

__all__ = ["Proof", "Settings", "Target", "TargetResult", "export", "select_targets"]
