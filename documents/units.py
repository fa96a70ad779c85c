"""Our units as codes of UN/ECE Recommendation 20, which electronic invoices demand (BT-130).

What is not on the list counts pieces of something: `C62`. `STK` is on the official list too, but stands for a
stick of cigarettes; it is never used.
"""

ONE = "C62"

CODES: dict[str, str] = {
    "s": "SEC",
    "Sekunde": "SEC",
    "min": "MIN",
    "Minute": "MIN",
    "h": "HUR",
    "Std": "HUR",
    "Stunde": "HUR",
    "Tag": "DAY",
    "Woche": "WEE",
    "Monat": "MON",
    "Quartal": "QAN",
    "Jahr": "ANN",
    "Stk": "H87",
    "Stück": "H87",
    "B": "AD",
    "Byte": "AD",
    "kB": "2P",
    "MB": "4L",
    "GB": "E34",
    "TB": "E35",
    "PB": "E36",
    "KiB": "E64",
    "MiB": "E63",
    "GiB": "E62",
    "TiB": "E61",
    "PiB": "E60",
    "kWh": "KWH",
    "MWh": "MWH",
    "%": "P1",
    "Prozent": "P1",
    "Postfach": "EB",
    "Einwohner": "IE",
    "Person": "IE",
    "Lizenz": ONE,
    "Kern": ONE,
    "vCPU": ONE,
}
"""By the unit of a tariff, in the singular."""

_PLURALS = {
    "Sekunden": "Sekunde",
    "Minuten": "Minute",
    "Stunden": "Stunde",
    "Tage": "Tag",
    "Wochen": "Woche",
    "Monate": "Monat",
    "Quartale": "Quartal",
    "Jahre": "Jahr",
    "Stücke": "Stück",
    "Bytes": "Byte",
    "Postfächer": "Postfach",
    "Personen": "Person",
}


def code_of(unit: str | None) -> str:
    """Find the code of a unit; `C62` (one) for whatever has none."""
    if unit is None:
        return ONE
    return CODES.get(_PLURALS.get(unit, unit), ONE)
