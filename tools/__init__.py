"""Commands for people, on datasets and snapshots."""
