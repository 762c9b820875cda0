"""Agreement of views of one object."""
