"""Losses from tensors to one scalar; no networks are built here and nothing is logged."""
