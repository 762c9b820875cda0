"""Official checkpoints, which are Python pickles, to snapshots; no code in them runs."""
