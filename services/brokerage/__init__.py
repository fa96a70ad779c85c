"""Brokerage: bookings and capacity. Prices nothing."""
