"""Sources of the images and cameras of a dataset."""
