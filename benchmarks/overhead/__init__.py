"""`make bench-runtime` and `make bench-trust`: what the runtime costs beside the bare backends."""
