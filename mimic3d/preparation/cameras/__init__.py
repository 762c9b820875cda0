"""Cameras that come with images: how they are written, and the frame they are moved to."""
