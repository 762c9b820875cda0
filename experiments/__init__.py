"""Whole studies on top of stages and pipeline: each one command that ends in a table."""
