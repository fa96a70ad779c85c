"""What the statements of all rooms keep to.

Whatever locks, locks in one order: bookings by id, offerings, capacity, so that two processes with
overlapping batches cannot wait for each other in a circle.
"""

SLICE = 500
"""How many rows one transaction of the clock takes up."""
