"""Rating: from measured usage and what falls due to charge lines."""
