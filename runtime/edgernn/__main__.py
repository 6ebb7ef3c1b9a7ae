"""The program `edgernn`; `python -m edgernn` where it is not on the path."""


def run() -> None:
    """Run the command line; handle Ctrl-C and SIGTERM from before the first large import."""
    # `_signal` is loaded already; `signal` would import enum, which takes long.
    import _signal as signals  # type: ignore[import-not-found]

    # Until `interruptible`, Ctrl-C ends the process without a traceback, as SIGTERM does.
    if signals.getsignal(signals.SIGINT) is signals.default_int_handler:
        signals.signal(signals.SIGINT, signals.SIG_DFL)
    from edgernn.system.interrupt import interruptible

    with interruptible():
        from edgernn.cli import main

        main(prog_name="edgernn")


if __name__ == "__main__":
    run()
