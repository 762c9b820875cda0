"""Runs any stage by its name, anywhere; knows nothing of GANs."""
