"""The report of a prepared dataset: one HTML page that needs no other file."""
