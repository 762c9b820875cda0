"""Cats: drawn from a seed, as signed distances and paint."""
