"""The services of the market. None imports another; each keeps its own picture of what it needs."""
