"""What a stage reports while it runs, and how MLflow keeps it."""
