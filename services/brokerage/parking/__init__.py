"""Parking: commands that have overtaken what they name."""
