"""Where the images and cameras of a dataset come from."""
