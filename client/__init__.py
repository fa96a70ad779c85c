"""What a member installs: the way to the market for programs, and the `allmende` command for people."""

from .market import Market, Received, Unanswered

__all__ = ["Market", "Received", "Unanswered"]
