"""Procedural subjects, heads and cats: seed -> identity -> shape and albedo -> image and its truth.

Read `kind.py` first, then `heads/parts.py`, `trace.py`, `light.py` and `render.py`.
"""
