"""Photos on their way in: where they lie, how they are opened, and what a sample is made of."""
