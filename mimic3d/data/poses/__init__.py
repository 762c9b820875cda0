"""Former place of `mimic3d.preparation.poses`."""
