"""Peers: the comparison that edgernn is judged by, measured in one run; used from the checkout, not installed."""
