"""Images and cameras to a prepared dataset."""
