"""Allmende."""
