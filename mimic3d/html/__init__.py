"""Pages that need no other file: elements, looks, charts."""
