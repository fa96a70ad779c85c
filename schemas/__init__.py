"""The contracts of the market: what travels between members and services, and who may send it.

Needs pydantic only. Start with `registry`, which lists every message.
"""
