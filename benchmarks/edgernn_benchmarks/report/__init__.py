"""The report: results as one HTML file that loads no other file, for a desktop screen, a phone and paper.

page             the whole report (Jinja2, with templates/: text, style, and a script that sorts a table)
words            figures and facts as text
table            every figure of every subject
shown            evidence: right and wrong decisions, and pictures of the samples
figures          the figures (matplotlib)
label_placement  places of names beside points
svg              figures with the colours of a light or dark page
"""

from edgernn.system.caches import move_library_folders

# matplotlib chooses its cache folder at its import, and only modules of this package import it.
move_library_folders()
