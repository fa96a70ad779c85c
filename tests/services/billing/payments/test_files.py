"""From a netting to a bank's file and back: what the file says is found in the account statement."""

import io
from xml.etree import ElementTree as ET

from support.builders import NOW, OFFICE, command
from support.desk import Desk, NewDesk
from support.owing import balances, issue
from support.paying import ACCOUNTS, arranging, booked
from support.reviews import market

from allmende.client.bank_file import read_statements
from allmende.documents.sepa import SCHEMA, credit_transfers
from allmende.schemas.mistakes import Mistake
from allmende.schemas.payments import ListPayments, Payment, Payments
from allmende.schemas.permissions import Role
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.payments.queries import list_payments

REGISTER = market()
BODIES = {member.id: member.body for member in REGISTER.members if member.body is not None}
NS = f"{{urn:iso:std:iso:20022:tech:xsd:{SCHEMA}}}"


async def owed_by(desk: Desk, who: str) -> list[Payment]:
    async with desk.engine.connect() as connection:
        found = await list_payments(connection, Caller(who, Role.MEMBER, False), ListPayments(open_only=True))
    assert isinstance(found, Payments)
    return [each for each in found.payments if each.payment.debtor == who]


def carried_out(file: bytes) -> dict[str, list[str]]:
    """What a bank makes of a file: entries of the payer's account and of each payee's, by account."""
    root = ET.fromstring(file)  # noqa: S314 - our own
    payer = root.findtext(f".//{NS}DbtrAcct/{NS}Id/{NS}IBAN") or ""
    entries: dict[str, list[str]] = {payer: []}
    for number, transfer in enumerate(root.iter(f"{NS}CdtTrfTxInf"), 1):
        payee = transfer.findtext(f"{NS}CdtrAcct/{NS}Id/{NS}IBAN") or ""
        amount = transfer.findtext(f"{NS}Amt/{NS}InstdAmt")
        for account, sign in ((payer, "DBIT"), (payee, "CRDT")):
            entries.setdefault(account, []).append(
                f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
                f"<BookgDt><Dt>{NOW.date()}</Dt></BookgDt><AcctSvcrRef>{payer}/{number}</AcctSvcrRef>"
                f"<NtryDtls><TxDtls><RmtInf><Strd><CdtrRefInf><Ref>"
                f"{transfer.findtext(f'{NS}RmtInf/{NS}Strd/{NS}CdtrRefInf/{NS}Ref')}"
                f"</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry>"
            )
    return entries


def statement(account: str, entries: list[str]) -> bytes:
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>1</Id>'
        f"<Acct><Id><IBAN>{account}</IBAN></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


async def test_what_the_banks_did_by_our_files_settles_everything(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(REGISTER, 60))
    await issue(
        billing,
        REGISTER,
        1,
        ("desy", "lrz", 70_007),
        ("kit", "lrz", 5),
        ("lrz", "kit", 400),
        ("desy", OFFICE, 9),
    )
    await billing.take(arranging())
    owner = {account: member for member, account in ACCOUNTS.items()}
    told: dict[str, list[str]] = {}
    for who in (OFFICE, "desy", "kit", "lrz"):
        if due := await owed_by(billing, who):
            file = credit_transfers(due, BODIES, created_at=NOW)
            assert isinstance(file, bytes), file
            for account, entries in carried_out(file).items():
                told.setdefault(account, []).extend(entries)
    number = 500
    for account, entries in told.items():
        found = read_statements(io.BytesIO(statement(account, entries)), iban=account)
        assert not isinstance(found, Mistake), found
        for report in found:
            number += 1
            facts = await billing.take(command(owner[account], report, number))
            assert booked(facts).unmatched == ()
            assert booked(facts).matched == len(report.entries)
    assert await balances(billing) == {
        "desy:bank:girokonto": -70_016,
        "kit:bank:girokonto": 395,
        "lrz:bank:girokonto": 69_612,
        "office:bank:girokonto": 9,
    }
    assert [await owed_by(billing, who) for who in ACCOUNTS] == [[], [], [], []]
