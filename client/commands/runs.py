"""Settlement runs on the command line: drafted, looked at, decided on, reviewed, approved."""

from typing import Literal

from allmende.client.output import Column, Kind, Listing
from allmende.client.settlement_wording import ALERTS, DECISIONS, RUNS
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejection
from allmende.schemas.settlements import Run, RunAlert

from .language import hint, language, refusal, say, tell
from .sending import told
from .session import Session
from .settlements import month
from .stop import USAGE, Stop

_FIGURES = (
    Column("what", "Angabe", "Figure"),
    Column("amount_eur", "Dieser Monat", "This month", Kind.CENTS),
    Column("previous_eur", "Vormonat", "Month before", Kind.CENTS),
    Column("difference_eur", "Unterschied", "Difference", Kind.CENTS),
)
_ALERTS = (
    Column("alert", "Nr.", "No."),
    Column("kind", "Hinweis", "Alert"),
    Column("provider", "Bereitsteller", "Provider"),
    Column("consumer", "Abnehmer", "Consumer"),
    Column("line", "Zeile", "Line"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("previous_eur", "Zuvor/Ansatz", "Before/limit", Kind.CENTS),
    Column("message", "Meldung", "Message"),
    Column("decision", "Entscheidung", "Decision"),
    Column("decided_by", "Von", "By"),
)
_MATRIX = (
    Column("provider", "Bereitsteller", "Provider"),
    Column("consumer", "Abnehmer", "Consumer"),
    Column("charges_eur", "Leistungen", "Charges", Kind.CENTS),
    Column("levies_eur", "Umlagen", "Levies", Kind.CENTS),
    Column("tax_eur", "Umsatzsteuer", "VAT", Kind.CENTS),
    Column("gross_eur", "Brutto", "Gross", Kind.CENTS),
    Column("lines", "Zeilen", "Lines", Kind.NUMBER),
)


def _money(cents: int) -> str:
    return euro(cents, language=language())


async def draft(session: Session, period: str, reason: str | None, id_: str | None) -> None:
    """Collect a period, or collect it anew."""
    month(period)
    found = await told(session, lambda m, i: m.draft_settlement(period, reason=reason, id=i), id_)
    tell(
        f"Entwurf {found.revision} für {period}: {found.lines} Zeilen, Leistungen "
        f"{_money(found.charges_cents)}, Umlagen {_money(found.levies_cents)}, Umsatzsteuer "
        f"{_money(found.tax_cents)}.",
        f"Draft {found.revision} of {period}: {found.lines} lines, charges {_money(found.charges_cents)}, "
        f"levies {_money(found.levies_cents)}, VAT {_money(found.tax_cents)}.",
    )
    if found.late_records:
        tell(
            f"Nachmeldungen seit dem ersten Entwurf: {found.late_records}.",
            f"Records that came after the first draft: {found.late_records}.",
        )
    print(found.revision)  # noqa: T201 - the one datum of this command
    _next("draft", period, found.revision, found.alerts)


def _next(state: str, period: str, revision: int, open_alerts: int) -> None:
    """Name the next step of a run."""
    if state == "issued":
        hint(
            f"allmende settlement documents {period} zeigt die Belege",
            f"allmende settlement documents {period} shows the documents",
        )
    elif open_alerts:
        hint(
            f"allmende settlement alerts {period} zeigt offene Hinweise: {open_alerts}",
            f"allmende settlement alerts {period} shows open alerts: {open_alerts}",
        )
    elif state == "in_review":
        hint(
            f"allmende settlement approve {period} {revision} --person NAME gibt frei, durch jemand anderen",
            f"allmende settlement approve {period} {revision} --person NAME releases it, by somebody else",
        )
    else:
        hint(
            f"allmende settlement review {period} {revision} --person NAME zeichnet ihn als geprüft",
            f"allmende settlement review {period} {revision} --person NAME finds it right",
        )


async def preview(session: Session, period: str) -> None:
    """Show the sums of a run beside the month before, and how far it is."""
    month(period)
    async with session.market() as market:
        run = await market.settlement_run(period)
    if isinstance(run, Rejection):
        raise refusal(run)
    rows = [
        _figure(say("Leistungen", "Charges"), run.charges_cents, run.previous_charges_cents),
        _figure(say("Umlagen", "Levies"), run.levies_cents, run.previous_levies_cents),
        _figure(say("Umsatzsteuer", "VAT"), run.tax_cents, None),
    ]
    session.show(Listing(_FIGURES, rows, run.model_dump(mode="json")))
    _tell_run(run)
    _next(run.state, period, run.revision, run.open_alerts)


def _figure(what: str, cents: int, before: int | None) -> dict[str, object]:
    difference = None if before is None else cents - before
    return {"what": what, "amount_eur": cents, "previous_eur": before, "difference_eur": difference}


def _tell_run(run: Run) -> None:
    german, english = RUNS[run.state]
    tell(
        f"Abrechnungslauf {run.period}: {german} Nr. {run.revision}, {run.lines} Zeilen, "
        f"{run.held_lines} zurückgestellt, {run.late_records} Nachmeldungen, {run.open_alerts} von "
        f"{run.alerts} Hinweisen offen.",
        f"Settlement run {run.period}: {english} no. {run.revision}, {run.lines} lines, "
        f"{run.held_lines} on hold, {run.late_records} late records, {run.open_alerts} of {run.alerts} "
        "alerts open.",
    )
    if run.reviewed_by is not None:
        approved = say(f", freigegeben von {run.approved_by}", f", approved by {run.approved_by}")
        end = f"{approved if run.approved_by else ''}."
        tell(f"Geprüft von {run.reviewed_by}{end}", f"Reviewed by {run.reviewed_by}{end}")
    if run.redraft_reason is not None:
        tell(f"Neu entworfen: {run.redraft_reason}", f"Drafted anew: {run.redraft_reason}")


async def alerts(session: Session, period: str, *, open_only: bool) -> None:
    """List the alerts of a run."""
    month(period)
    async with session.market() as market:
        found = [each async for each in market.settlement_alerts(period, open_only=open_only)]
    listing = Listing(
        _ALERTS, [_alert_row(each) for each in found], [each.model_dump(mode="json") for each in found]
    )
    if session.empty(listing, "Es gibt keinen Hinweis.", "There is no alert."):
        return
    session.show(listing)
    waiting = [each.alert for each in found if each.decision is None]
    if waiting:
        numbers = " ".join(str(number) for number in waiting[:3])
        hint(
            f'allmende settlement decide {period} {numbers} --hold --reason "..." --person NAME stellt '
            "zurück, --release berechnet",
            f'allmende settlement decide {period} {numbers} --hold --reason "..." --person NAME holds them '
            "back, --release charges them",
        )


def _alert_row(alert: RunAlert) -> dict[str, object]:
    return {
        "alert": alert.alert,
        "kind": say(*ALERTS[alert.kind]),
        "provider": alert.provider,
        "consumer": alert.consumer,
        "line": alert.line,
        "amount_eur": alert.amount_cents,
        "previous_eur": alert.previous_cents,
        "message": say(alert.message_de, alert.message_en),
        "decision": say(*DECISIONS[alert.decision]) if alert.decision else None,
        "decided_by": alert.decided_by,
    }


async def decide(  # noqa: PLR0913 - what a decision is made of
    session: Session, period: str, numbers: list[int], *, release: bool | None, reason: str, id_: str | None
) -> None:
    """Decide on alerts."""
    month(period)
    if release is None:
        raise Stop(
            say("--release oder --hold angeben.", "Give --release or --hold."),
            USAGE,
        )
    decision: Literal["released", "held"] = "released" if release else "held"
    found = await told(
        session, lambda m, i: m.decide_alerts(period, tuple(numbers), decision, reason, id=i), id_
    )
    german, english = DECISIONS[found.decision]
    count = len(found.alerts)
    tell(
        f"Hinweise entschieden von {found.person} ({german}): {count}, noch offen: {found.open}.",
        f"Alerts decided on by {found.person} ({english}): {count}, still open: {found.open}.",
    )
    async with session.market() as market:
        run = await market.settlement_run(period)
    if not isinstance(run, Rejection):
        _next(run.state, period, run.revision, found.open)


async def review(session: Session, period: str, revision: int, id_: str | None) -> None:
    """Find a draft right."""
    month(period)
    found = await told(session, lambda m, i: m.review_settlement(period, revision, id=i), id_)
    tell(
        f"Entwurf {found.revision} für {period} ist geprüft von {found.reviewed_by}.",
        f"Draft {found.revision} of {period} is reviewed by {found.reviewed_by}.",
    )
    _next("in_review", period, revision, 0)


async def approve(session: Session, period: str, revision: int, id_: str | None) -> None:
    """Release a run."""
    month(period)
    found = await told(session, lambda m, i: m.approve_settlement(period, revision, id=i), id_)
    tell(
        f"{period} ist freigegeben, geprüft von {found.reviewed_by}, freigegeben von {found.approved_by}: "
        f"{found.lines} Zeilen, {_money(found.charges_cents + found.levies_cents + found.tax_cents)} brutto.",
        f"{period} is issued, reviewed by {found.reviewed_by}, approved by {found.approved_by}: "
        f"{found.lines} lines, {_money(found.charges_cents + found.levies_cents + found.tax_cents)} gross.",
    )
    _next("issued", period, revision, 0)


async def matrix(session: Session, period: str) -> None:
    """Show who charges whom."""
    month(period)
    async with session.market() as market:
        found = await market.settlement_matrix(period)
    if isinstance(found, Rejection):
        raise refusal(found)
    rows = [
        {
            "provider": each.provider,
            "consumer": each.consumer,
            "charges_eur": each.charges_cents,
            "levies_eur": each.levies_cents,
            "tax_eur": each.tax_cents,
            "gross_eur": each.charges_cents + each.levies_cents + each.tax_cents,
            "lines": each.lines,
        }
        for each in found.cells
    ]
    listing = Listing(_MATRIX, rows, found.model_dump(mode="json"))
    if not session.empty(listing, "Niemand berechnet etwas.", "Nobody charges anything."):
        session.show(listing)
