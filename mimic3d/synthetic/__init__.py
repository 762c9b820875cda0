"""Procedural subjects, heads and cats: seed -> identity -> shape and paint -> image and its truth.

Read `kind.py` first, then `heads/parts.py`, `trace.py`, `light.py`, `render.py` and `studio.py`.
"""
