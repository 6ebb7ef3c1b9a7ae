"""Measuring: how long calls take, what that says, and whether the machine can be believed.

stopwatch     subjects timed in rounds, in turns; the raw times
subjects      an artifact as what is timed: loaded afresh every round
apart         the same in a process of its own
statistics    medians, percentiles and ratios with their intervals, from raw times
environment   the machine, before and after
session       all of that, for several candidates
result        all that was seen, and the reasons to doubt it
verdict       which artifact is best at what, and which to ship
document      a result as JSON, written and read
"""
