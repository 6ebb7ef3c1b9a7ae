"""Data: files, pictures and run folders as arrays."""
