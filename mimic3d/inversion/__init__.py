"""Inversion: the style of a generator, and its weights, that show a given object."""
