"""Playing the script on a running market. Whatever was said before is only repeated and changes nothing."""

from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TextIO

from allmende.client import Unanswered
from allmende.schemas.catalog import Offering

from . import page
from .closing import Signatures, aftermath, follow_up, settle
from .connections import Markets, all_of, connected
from .levy import TITLE
from .orders import Order, command_id
from .outcomes import Unexpected, agreed, refusal_of, report_day, request
from .picture import read_back, settlement_of
from .script import Script, script
from .sections import sections
from .voice import Voice

STATEMENT_SHOWN = "desy"


async def play(url: str, home: Path, out: TextIO, language: str = "de") -> int:
    """Play the demonstration, unless its period is closed already, and print what the market knows then.

    Args:
        url: of the hub.
        home: the folder with the members' keys, made by `prepare`.
        out: where the report goes.
        language: `de` or `en`.

    Returns:
        0, or 1 where something went wrong; the reason is printed and a further play continues.
    """
    return await _show(url, home, out, Voice.of(language), STATEMENT_SHOWN, play_first=True)


async def report(
    url: str, home: Path, out: TextIO, language: str = "de", *, member: str = STATEMENT_SHOWN
) -> int:
    """Print what the market knows of a demonstration that was played.

    Args:
        url: of the hub.
        home: the folder with the members' keys.
        out: where the report goes.
        language: `de` or `en`.
        member: whose statement is shown in detail.
    """
    return await _show(url, home, out, Voice.of(language), member, play_first=False)


async def _show(  # noqa: PLR0913 - where, as whom, what
    url: str, home: Path, out: TextIO, voice: Voice, member: str, *, play_first: bool
) -> int:
    said = script()
    if member not in said.names:
        return page.apologise(out, voice.say("no_member", member=member))
    try:
        async with connected(url, home, said.names) as markets:
            if play_first:
                await perform(said, markets, Signatures(said, home))
            picture = await read_back(said, markets)
    except Unexpected as error:
        return page.apologise(out, voice.say("stopped", reason=voice.choose(*error.sentences)))
    except FileNotFoundError as error:
        return page.apologise(out, voice.say("no_key", path=error.filename))
    except (Unanswered, OSError) as error:
        return page.apologise(out, voice.say("stopped", reason=error))
    page.write(out, voice, sections(picture, member, voice))
    return 0 if picture.balanced else 1


async def perform(said: Script, markets: Markets, signatures: Signatures) -> None:
    """Say everything in the order that matters; where none matters, several members speak at once.

    What is settled or paid already is not said again.

    Raises:
        Unexpected: the market decided otherwise than the script says.
        Unanswered: the market cannot be reached.
    """
    issued = await settlement_of(said, markets)
    if issued is None:
        await _trade(said, markets)
        await settle(said, markets, signatures)
        issued = await settlement_of(said, markets)
    if issued is not None and not (await aftermath(said, markets)).payments:
        await follow_up(said, markets, signatures, issued)


async def _trade(said: Script, markets: Markets) -> None:
    await all_of(partial(_publish, markets, offering) for offering in said.offerings)
    await all_of(partial(_book, markets, order) for order in (*said.services, *said.computing))
    await all_of(partial(refusal_of, markets, order) for order in said.refused)
    for _, of_the_day in groupby(said.reports, key=lambda each: each.day):
        await all_of([partial(report_day, markets, each) for each in of_the_day])
    await _charge_levy(said, markets)


async def _publish(markets: Markets, offering: Offering) -> None:
    id_ = command_id("offering", offering.model_dump_json())
    agreed(await markets[offering.provider].publish(offering, id=id_))


async def _book(markets: Markets, order: Order) -> None:
    agreed(await request(markets, order))


async def _charge_levy(said: Script, markets: Markets) -> None:
    cost = said.table.levy.amount_cents
    office = markets[said.office]
    agreed(await office.charge_levy(said.period, TITLE, cost, said.key, id=said.levy_id))
