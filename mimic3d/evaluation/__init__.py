"""Applies the metrics to a generator and a dataset."""
