"""Payments: netting, who pays whom, open items, account statements, reminders."""
