"""`python -m edgernn`: the command line, where the script `edgernn` is not on the path."""

from edgernn.cli import main

main(prog_name="edgernn")
