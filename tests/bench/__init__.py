"""Measurements: `make bench` prints them. Machines are shared, so read the ratios."""
