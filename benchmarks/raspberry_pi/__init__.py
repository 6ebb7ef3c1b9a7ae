"""Raspberry Pi OS without a Raspberry Pi: Debian roots under QEMU, the programs in them, and their instructions."""
