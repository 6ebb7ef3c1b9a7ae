"""The console: what commands share, from their inputs to their output."""
