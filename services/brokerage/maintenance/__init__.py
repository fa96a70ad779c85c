"""Maintenance: notices of providers to all who booked."""
