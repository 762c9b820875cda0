"""Tensors to tensors: generator, discriminators and their parts."""
