"""Programs: the computation of a .tflite file, read from the file alone."""
