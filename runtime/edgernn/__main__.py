"""The program `edgernn`; `python -m edgernn` where it is not on the path."""


def run() -> None:
    """Run the command line; Ctrl-C and SIGTERM are handled before anything large is imported."""
    from edgernn.interrupt import interruptible

    with interruptible():
        from edgernn.cli import main

        main(prog_name="edgernn")


if __name__ == "__main__":
    run()
