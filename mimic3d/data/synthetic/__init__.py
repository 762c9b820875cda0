"""Procedural heads: identity -> shape and paint -> image with exact camera, depth and alpha."""
