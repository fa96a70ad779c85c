"""The life of bookings: requests, commands of both sides, the clock, and what the sides tell each other."""
