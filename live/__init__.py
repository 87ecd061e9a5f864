"""A world that does not obey: the same scenario on a real cluster. Nothing is here yet.

It never imports sim or reports.
"""
