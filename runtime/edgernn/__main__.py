"""The program `edgernn`; `python -m edgernn` where it is not on the path."""


def run() -> None:
    """Run the command line; handle Ctrl-C and SIGTERM from before the first large import."""
    import signal

    # Until `interruptible`, Ctrl-C ends the process without a traceback, as SIGTERM does.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from edgernn.interrupt import interruptible

    with interruptible():
        from edgernn.cli import main

        main(prog_name="edgernn")


if __name__ == "__main__":
    run()
