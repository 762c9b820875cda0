"""Searches over parameters: trials on Ray Tune, each a project folder of its own."""
