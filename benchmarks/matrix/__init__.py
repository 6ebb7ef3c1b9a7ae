"""The matrix: many small models, every artifact of each beside Keras; the tests and docs/support.md are made of it.

It is no room of its own and not installed, like `peers`: tests and the page's command run it from the checkout, and
here mypy reads it, which it does not in `tests`.
"""
