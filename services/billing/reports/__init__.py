"""What finance and auditors draw from what is settled, and the end of a budget year."""
