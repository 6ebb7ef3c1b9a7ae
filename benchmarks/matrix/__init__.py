"""The matrix: many small models, every artifact of each compared with Keras; used by tests and docs/support.md.

It is not installed, like `peers`: tests and the page's command run it from the checkout. It is not in `tests`, because
mypy does not check that folder.
"""
