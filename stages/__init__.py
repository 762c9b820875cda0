"""Entry points of the DVC stages; `python -m stages.<stage>` needs neither Ray nor MLflow."""
