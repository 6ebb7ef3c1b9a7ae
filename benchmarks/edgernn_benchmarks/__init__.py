"""Benchmarks: artifacts beside the Keras model they come from.

from edgernn_benchmarks import compare, judge
result = compare("runs/digits", ["runs/digits/digits-int8.tflite"])
print(judge(result).recommended)
"""

from edgernn.bench.result import Answers, Measured, Result
from edgernn.bench.stopwatch import Method
from edgernn.bench.verdict import Verdict, judge
from edgernn_benchmarks.comparison import Progress, compare

__all__ = ["Answers", "Measured", "Method", "Progress", "Result", "Verdict", "compare", "judge"]
