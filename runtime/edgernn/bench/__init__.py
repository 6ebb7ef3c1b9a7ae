"""Measure how long calls take, and whether the machine was quiet enough to trust the times.

stopwatch     time subjects in rounds; raw times
subjects      an artifact as a subject, loaded again in every round
isolated      the same in an isolated process
statistics    medians, percentiles and ratios with their intervals, from raw times
environment   the machine, before and after
session       all of these, for several candidates
result        everything that was measured, and the reasons to doubt it
profiles      the devices that an artifact can be chosen for
verdict       the smallest, the fastest and the most accurate artifact, and the one to ship
document      a result as JSON, written and read
"""
