"""`make readme`: the figures and the picture of README.md, from one result."""
