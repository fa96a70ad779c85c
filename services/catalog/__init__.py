"""Catalogue: what members offer. Knows nobody who booked."""
