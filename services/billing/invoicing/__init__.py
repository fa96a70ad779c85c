"""Invoices, credit notes and levy notices: what each body bills another, and how it is taxed and booked."""
