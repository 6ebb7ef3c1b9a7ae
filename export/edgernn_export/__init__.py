"""Export: a Keras recurrent model to artifacts, each proven against it.

from edgernn_export import export
rows = export("runs/digits")
"""

from edgernn_export.pipeline import Row, export
from edgernn_export.proof import Proof
from edgernn_export.targets import Target

__all__ = ["Proof", "Row", "Target", "export"]
