"""The key by which the office's cost is spread: Königsteiner Schlüssel 2019."""

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

from allmende.schemas.tariff import AllocationKey

from .assumptions import DATA, OfficeCost

TITLE = "Umlage der Geschäftsstelle (Demonstration)"


def koenigsteiner(cost: OfficeCost, path: Path = DATA / "koenigsteiner_2019.csv") -> AllocationKey:
    """Read the key. That it holds in 2005 is an assumption of the demonstration."""
    with path.open(encoding="utf-8", newline="") as file:
        values = {line["land"]: Decimal(line["percent"]) for line in csv.DictReader(file)}
    return AllocationKey(
        key_id="koenigsteiner-2019",
        version=1,
        title="Königsteiner Schlüssel 2019",
        holders="land",
        unit="percent",
        values=values,
        spread_over="participants",
        key_date=dt.date(2021, 10, 12),  # the version the law refers to
        published_on=dt.date(2021, 12, 29),  # Bundesgesetzblatt I 2021 Nr. 86
        effective_from=cost.effective_from,
        source="GaFinHG § 5 Abs. 1; Geltung 2005: Annahme der Demonstration",
    )
