"""The processes of a stage on one or several machines."""
