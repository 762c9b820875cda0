"""Photos: their containers, decoding, and copies of each other."""
