"""Raspberry Pi OS without a Raspberry Pi: Debian roots under QEMU, what runs in them, and what that costs there."""
