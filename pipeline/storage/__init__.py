"""Files of a run on machines that share no folder."""
