"""Entry points of the DVC stages; `python -m stages.<stage>` needs neither Ray nor MLflow."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # before torch; see pipeline/run.py
