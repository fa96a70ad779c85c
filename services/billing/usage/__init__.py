"""Usage: which records count, which wait, which are refused, and what replaced them."""
