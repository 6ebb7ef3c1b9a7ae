"""The versions with which a page was measured."""

from edgernn.bench.environment import describe_machine


def versions() -> dict[str, str]:
    """Return Python's version, the processor's architecture, and the packages' versions, by name."""
    machine = describe_machine()
    python = machine["python"].rpartition(".")[0]
    return {**machine["versions"], "python": python, "machine": machine["machine"]}
