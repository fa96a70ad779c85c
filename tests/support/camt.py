"""Account statements (camt.053.001.08) as a bank writes them, with as little in them as it may."""

import datetime as dt
from collections.abc import Iterable


def camt(iban: str, entries: Iterable[tuple[str, int, str]], day: dt.date = dt.date(2026, 6, 3)) -> bytes:
    """Write a statement.

    Args:
        iban: whose account it is.
        entries: the bank's reference, cents (negative is debited), and the end-to-end id.
        day: on which they are booked.
    """
    written = "".join(
        f"<Ntry><Amt Ccy='EUR'>{abs(cents) / 100:.2f}</Amt>"
        f"<CdtDbtInd>{'CRDT' if cents > 0 else 'DBIT'}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>{id_}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
        for id_, cents, reference in entries
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?>"
        "<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'><BkToCstmrStmt>"
        f"<Stmt><Id>{day}/1</Id><Acct><Id><IBAN>{iban}</IBAN></Id></Acct>{written}</Stmt>"
        "</BkToCstmrStmt></Document>"
    ).encode()
