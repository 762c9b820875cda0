"""Scores of image sets and of multi-view consistency."""
