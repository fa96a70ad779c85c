"""The demonstration's settlement once more, straight from the files, sharing no code with the market.

Read it from top to bottom; `python tests/support/demonstration.py` prints the result.
"""

import csv
import json
import sys
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).resolve().parents[2] / "demo" / "data"

Line = tuple[str, str, str, int, int]
"""Payer, payee, what for, cents, usage records."""


def expected() -> dict[str, Any]:
    """Compute the closed period.

    Returns:
        `lines`, `usage_records`, `charges_cents`, `levies_cents`; `positions` (net cents), `receivable`,
        `payable` by party; `pairs` with the cents of charges by `payer -> payee`; `levy_shares` by member;
        `own_records` and `own_seconds`, which are no market usage; `core_seconds`, which are.
    """
    table = yaml.safe_load((DATA / "bodies.yaml").read_text(encoding="utf-8"))
    traded, own = _trace(table)
    charges = [*_computing(table, traded), *_hosting(table), *_exchange(table), *_directory(table)]
    shares = _levy(table)
    office = table["office"]["id"]
    levies: list[Line] = [(member, office, "levy", cents, 0) for member, cents in shares.items()]
    receivable: defaultdict[str, int] = defaultdict(int)
    payable: defaultdict[str, int] = defaultdict(int)
    for payer, payee, _, cents, _ in charges + levies:
        payable[payer] += cents
        receivable[payee] += cents
    pairs: defaultdict[str, int] = defaultdict(int)
    for payer, payee, _, cents, _ in charges:
        pairs[f"{payer} -> {payee}"] += cents
    parties = sorted([office, *(body["id"] for body in table["bodies"])])
    return {
        "lines": len(charges) + len(levies),
        "usage_records": sum(records for *_, records in charges),
        "charges_cents": sum(cents for _, _, _, cents, _ in charges),
        "levies_cents": sum(shares.values()),
        "positions": {party: receivable[party] - payable[party] for party in parties},
        "receivable": {party: receivable[party] for party in parties},
        "payable": {party: payable[party] for party in parties},
        "pairs": dict(sorted(pairs.items())),
        "levy_shares": shares,
        "own_records": len(own),
        "own_seconds": sum(int(row["walltime_seconds"]) for row in own),
        "core_seconds": sum(int(row["walltime_seconds"]) for row in traded),
        "charge_lines": sorted(charges),
    }


def _trace(table: dict[str, Any]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows between two bodies, and rows within one."""
    provider = {host: body["id"] for body in table["bodies"] for host in body["hosts"]}
    consumer = {group: body["id"] for body in table["bodies"] for group in body["groups"]}
    traded: list[dict[str, str]] = []
    own: list[dict[str, str]] = []
    with (DATA / "lcg_de_usage_daily.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            row["provider"] = provider[row["provider_site"]]
            row["consumer"] = consumer[row["consumer_group"]]
            (own if row["provider"] == row["consumer"] else traded).append(row)
    return traded, own


def _computing(table: dict[str, Any], traded: list[dict[str, str]]) -> list[Line]:
    """One line for each booking: the sum of its seconds, at the price of the day it started, rounded once."""
    first_day: dict[tuple[str, str], str] = {}
    for row in traded:
        key = (row["provider"], row["consumer_group"])
        first_day[key] = min(first_day.get(key, "9999"), row["day_utc_of_submission"])
    again = {(each["provider"], each["group"]): each["start"] for each in table["rebooked"]}
    home = {group: body["id"] for body in table["bodies"] for group in body["groups"]}

    seconds: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    records: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for row in traded:
        key = (row["provider"], row["consumer_group"])
        started = (
            again[key] if key in again and row["day_utc_of_submission"] >= again[key] else first_day[key]
        )
        seconds[*key, started] += int(row["walltime_seconds"])
        records[*key, started] += 1

    prices = {body["id"]: body["eur_per_core_hour"] for body in table["bodies"]}
    lines = []
    for (provider, group, started), total in seconds.items():
        price = [each["price"] for each in prices[provider] if each["valid_from"] <= started][-1]
        cents = _half_up(Fraction(price) * 100 * total / 3600)
        what = f"group {group} from {started}"
        lines.append((home[group], provider, what, cents, records[provider, group, started]))
    return lines


def _hosting(table: dict[str, Any]) -> list[Line]:
    """Three lines for each machine, and a fourth for its licence, counted once and free."""
    hosting = table["hosting"]
    prices = (
        ("vcpu", hosting["eur_per_vcpu"]),
        ("memory_gb", hosting["eur_per_memory_gb"]),
        ("disk_gb", hosting["eur_per_disk_gb"]),
    )
    lines: list[Line] = []
    for wanted in hosting["bookings"]:
        for what, price in prices:
            cents = _half_up(Fraction(wanted[what]) * Fraction(price) * 100)
            lines.append((wanted["consumer"], "uni-muenster", what, cents, 0))
        lines.append((wanted["consumer"], "uni-muenster", "licence", 0, 1))
    return lines


def _exchange(table: dict[str, Any]) -> list[Line]:
    """A quarter of the year's price for each mailbox counted; class 1 pays nothing."""
    exchange = table["exchange"]
    classes = {body["id"]: body["lrz_user_class"] for body in table["bodies"]}
    lines = []
    for wanted in exchange["bookings"]:
        price = {
            "1": "0",
            "2": exchange["eur_per_mailbox_and_year"],
            "3": exchange["eur_per_mailbox_and_year"],
        }[classes[wanted["consumer"]]]
        cents = _half_up(Fraction(wanted["mailboxes"]) * Fraction(price) * 100 / 4)
        lines.append((wanted["consumer"], "lrz", "mailboxes", cents, 1))
    return lines


def _directory(table: dict[str, Any]) -> list[Line]:
    """Counted, and free."""
    return [(wanted["consumer"], "tu-dresden", "entries", 0, 1) for wanted in table["directory"]["bookings"]]


def _levy(table: dict[str, Any]) -> dict[str, int]:
    """Over the Länder that take part by their percentages, then in equal parts within each."""
    with (DATA / "koenigsteiner_2019.csv").open(encoding="utf-8", newline="") as file:
        percent = {row["land"]: Decimal(row["percent"]) for row in csv.DictReader(file)}
    if sum(percent.values()) != 100:
        raise ValueError("the key does not sum to 100 percent")
    members: defaultdict[str, list[str]] = defaultdict(list)
    for body in table["bodies"]:
        members[body["land"]].append(body["id"])
    total = int(Fraction(table["levy"]["amount"]) * 100)
    by_land = _largest_remainder(total, [(land, Fraction(percent[land])) for land in members])
    shares: dict[str, int] = {}
    for land, cents in by_land.items():
        shares |= _largest_remainder(cents, [(member, Fraction(1)) for member in members[land]])
    return dict(sorted(shares.items()))


def _half_up(cents: Fraction) -> int:
    """Round to whole cents, half a cent up (nothing here is negative)."""
    return int(cents + Fraction(1, 2))


def _largest_remainder(total: int, weighted: list[tuple[str, Fraction]]) -> dict[str, int]:
    """Whole cents first; what is left goes to the largest remainders, then larger weights, then names."""
    everything = sum(weight for _, weight in weighted)
    parts = []
    for name, weight in weighted:
        whole, remainder = divmod(total * weight, everything)
        parts.append((-remainder, -weight, name, int(whole)))
    parts.sort()
    left = total - sum(whole for *_, whole in parts)
    return {name: whole + (place < left) for place, (_, _, name, whole) in enumerate(parts)}


if __name__ == "__main__":
    json.dump(expected(), sys.stdout, ensure_ascii=False, indent=2)
