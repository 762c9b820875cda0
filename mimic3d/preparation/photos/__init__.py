"""Photos: where they lie, how they are opened, and which are copies of each other."""
