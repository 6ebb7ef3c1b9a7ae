"""Run a benchmark from the repository's folder: `python -m benchmarks NAME`, with the options that --help lists."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

COMMANDS = {
    "peers": "peers.bench_peers",
    "peers-page": "peers.peers_page",
    "bars": "bars.bench_bars",
    "native": "native.bench_native",
    "training": "training.bench_training",
    "runtime": "overhead.bench_runtime",
    "trust": "overhead.trust",
    "compatibility": "compatibility.compatibility_run",
    "support": "matrix.support",
    "mutants": "mutants.run",
    "weights": "mutants.run_weights",
    "good-make": "mutants.good_make",
    "good-try": "mutants.good_try",
    "pi-roots": "raspberry_pi.root_building",
    "pi-count": "raspberry_pi.counting",
    "pi-page": "raspberry_pi.raspberry_pi_page",
    "readme": "readme.readme_page",
}


def main() -> None:
    """Run the named command. An expected error ends the program with a message and exit code 1."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name not in COMMANDS:
        sys.exit(f"usage: python -m benchmarks {'|'.join(COMMANDS)} [--help]")
    sys.path.insert(0, str(Path(__file__).parent))
    command = import_module(COMMANDS[name]).main
    from edgernn.errors import EdgernnError  # late: `mutants.run` sets variables before NumPy is imported

    try:
        command(args=sys.argv[2:], prog_name=f"python -m benchmarks {name}")
    except (EdgernnError, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
