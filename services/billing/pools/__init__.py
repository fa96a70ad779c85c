"""Cost pools: who takes part, which costs are reported, what everybody bears."""
