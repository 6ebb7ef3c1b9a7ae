"""Programs: what a .tflite file computes, read from the file alone."""
