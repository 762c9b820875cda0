"""Surfaces of objects that are volumes: where half of the light is gone, seen from all sides."""
