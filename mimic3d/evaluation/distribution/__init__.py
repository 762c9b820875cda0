"""Distances between the distributions of generated and of real images."""
