"""Sources of cameras: one file per source, each answers with a PoseResult or a Reject."""
