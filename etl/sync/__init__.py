"""The only place that knows the order of the stages: plan, extract, normalise, load.

It is handed Source values and never imports `sources`.
"""
