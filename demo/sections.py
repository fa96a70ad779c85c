"""The order of the output's sections. Nothing but what the picture holds."""

from . import paying, settling, trading
from .page import Output
from .picture import Picture
from .voice import Voice


def sections(picture: Picture, member: str, voice: Voice) -> Output:
    """Arrange what the market knows.

    Args:
        picture: what was read back.
        member: whose statement is shown in detail.
        voice: the language.
    """
    return Output(
        title=voice.say("title", period=picture.said.period),
        about=(voice.say("about"), voice.say("read_back")),
        sections=(
            trading.offerings(picture, voice),
            trading.bookings(picture, voice),
            trading.refusals(picture, voice),
            trading.usage(picture, voice),
            settling.statement(picture, member, voice),
            settling.lines(picture, member, voice),
            settling.levy(picture, voice),
            settling.positions(picture, voice),
            paying.recipients(picture, voice),
            paying.objections(picture, voice),
            paying.payments(picture, voice),
        ),
    )
