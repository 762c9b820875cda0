"""Reports of a stage while it runs, and their place in MLflow."""
