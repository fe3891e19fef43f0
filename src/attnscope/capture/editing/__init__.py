"""Interventions: a model runs with some of its attention changed.

interventions  `ablate` and `patch`, the public functions
matching       which calls are edited: of this model, on this thread, in which layers
edits          what can be changed in what a head hands on
patterns       what can be changed in what an attention function is given
"""
