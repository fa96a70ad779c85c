"""What a member installs: the way to the market for programs, and the `allmende` command for people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .market import Entry, Market, Received, Signer, Unanswered

__all__ = ["Entry", "Market", "Received", "Signer", "Unanswered"]


def __getattr__(name: str) -> Any:
    """Load the market only when a program names it; the help of the command line does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import market  # noqa: PLC0415 - see above

    return getattr(market, name)
