"""Whether views of one object agree."""
