"""The mutants: artifacts damaged in every way, each of which must end as the right answer or a clear refusal.

It is no room of its own and not installed, like `peers` and `matrix`: `make mutants` runs it from the checkout.
"""
