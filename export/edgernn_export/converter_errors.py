"""Reduce errors of Keras and the converters to one readable line."""

import re

from edgernn.errors import EdgernnError, first_line, printable

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# AutoGraph writes a traceback first: "in user code: … ValueError: what is wrong".
_TRACED = re.compile(r"in user code:.*\n +\w+(?:Error|Exception): (.*)", re.DOTALL)
# Keras writes the call around the cause: "Exception encountered when calling X. … Arguments received by X: • x=…".
_CALLED = re.compile(r"Exception encountered when calling [^\n]*\n+(.*?)\n+(?: *)Arguments received by .*", re.DOTALL)
# TensorFlow writes nodes of its graph around the cause.
_NODE = re.compile(
    r" for '\{\{node .*|\{\{function_node [^}]*\}\}|\[\[?\{\{node .*?\}\}\]?\]|\[Op:\w*\](?: name:.*)?|\(arg\d+: .*"
)
_GRAPH = re.compile(r"Graph execution error:.*?(?:\n\n|unavailable>\n)(?!Detected)(.*)", re.DOTALL)
# The TFLite converter prints MLIR: a location, "error:", an operator and its fault, then the whole module.
_MLIR = re.compile(r"error: (?:loc\(.*\): )?'(?P<operator>\w+\.\w+)' op (?P<wrong>[^\n]*)")
_NOT_IN_TFLITE = "is neither a custom op nor a flex op"


def ours_in(error: BaseException) -> EdgernnError | None:
    """Find the innermost EdgernnError that Keras or TensorFlow wrapped; None if there is none."""
    found: EdgernnError | None = None
    each: BaseException | None = error
    while each is not None:
        found = each if isinstance(each, EdgernnError) else found
        each = each.__cause__ or each.__context__
    return found


def reason_of(error: BaseException) -> str:
    """Reduce an error to one line without tracebacks, graphs and tensor values; its class if it has no message."""
    ours = ours_in(error)
    text = _COLOUR.sub("", str(ours or error))
    lacking = sorted({match["operator"] for match in _MLIR.finditer(text) if match["wrong"] == _NOT_IN_TFLITE})
    if lacking:
        return f"TFLite has no operator for {', '.join(lacking)}"
    found = _MLIR.search(text)
    if found:
        return printable(f"{found['operator']} {found['wrong']}")
    for pattern in (_GRAPH, _TRACED, _CALLED):
        match = pattern.search(text)
        text = match[1] if match else text
    lines = [line for line in (_NODE.sub("", line).strip() for line in text.splitlines()) if line]
    return printable(lines[0]) if lines else first_line(error)
