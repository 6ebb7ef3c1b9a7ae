"""The operating system: files, processes, signals, locks, other libraries."""
