"""The report: results as one HTML file that needs nothing else, for a desk, a phone and paper.

page        the whole of it (Jinja2, with templates/: text, style, and the few lines that sort a table)
words       figures and facts as people read them
table       every figure of every subject
shown       evidence: who is right where, and what the samples look like
figures     the pictures (matplotlib), with `labels` beside points and `svg` for a page that is light or dark
"""

from edgernn.caches import move_library_folders

# matplotlib chooses its cache folder when it is imported, and only modules of this package import it.
move_library_folders()
