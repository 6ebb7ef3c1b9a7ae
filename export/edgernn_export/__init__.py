"""Export: a Keras recurrent model to artifacts, each proven against it.

from edgernn.bench.verdict import judge
from edgernn_export import export, measure
rows = export("runs/digits")
best = judge(measure(rows)).recommended
"""

from edgernn_export.pipeline import TargetResult, export
from edgernn_export.proof import Proof
from edgernn_export.recommendation import measure
from edgernn_export.settings import Settings
from edgernn_export.targets import Target, select_targets

__all__ = ["Proof", "Settings", "Target", "TargetResult", "export", "measure", "select_targets"]
