"""Billing: usage, levies, ledger, statements, settlement. Asks nobody."""
