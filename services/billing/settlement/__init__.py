"""Settlement: levies, statements, net positions, and the closing of a period."""
