"""Benchmarks: artifacts beside the Keras model they come from.

from edgernn_benchmarks import compare
comparison = compare("runs/digits", ["runs/digits/digits-int8.tflite"])
"""

from edgernn_benchmarks.comparison import Comparison, Subject, compare

__all__ = ["Comparison", "Subject", "compare"]
