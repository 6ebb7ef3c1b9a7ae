"""The mutants: damaged artifacts, each of which must give the right answers or be refused with a clear message.

It is not installed, like `peers` and `matrix`: `make mutants` runs it from the checkout.
"""
