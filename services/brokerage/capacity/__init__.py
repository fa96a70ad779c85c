"""Capacity: which offerings there are, what they limit, and what is left of it."""
