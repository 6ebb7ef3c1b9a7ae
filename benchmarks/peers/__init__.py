"""Benchmarks of edgernn beside other tools; run from the checkout, not installed."""
