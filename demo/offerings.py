"""What the bodies offer: computing with dated tariffs, hosting, groupware, a directory."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.money import UnitPrice
from allmende.schemas.tariff import (
    Component,
    Free,
    NotOffered,
    OrderQuantity,
    PerUnit,
    Price,
    Tariff,
)

from .assumptions import Assumptions, Body, DatedPrice, Exchange, Hosting

COMPUTE_PLAN, CORE_SECONDS = "batch", "core_seconds"
HOSTING, HOSTING_PLAN, LICENCES = "uni-muenster/vm", "standard", "licences"
EXCHANGE, EXCHANGE_PLAN, MAILBOXES = "lrz/exchange", "mandant", "mailboxes"
DIRECTORY, DIRECTORY_PLAN, ENTRIES = "tu-dresden/verzeichnisdienst", "verzeichnis", "entries"
CLASS_SCHEME = "lrz-user-class"

_SECONDS_PER_HOUR = Decimal(3600)
_QUARTERS = Decimal(4)
_BEGINNING = dt.date(2005, 1, 1)
_NOTE = "DEMONSTRATION, kein wirkliches Angebot. "
_MUENSTER = "Preisliste Serverhosting IVV Naturwissenschaften, Uni Münster, 10.08.2020/08.10.2021"
_LRZ = "LRZ Microsoft Exchange Hosting: Klassenmatrix, Zählung und Mindestmenge; Preis: unsere Annahme"
_ASSUMED = "Unsere Annahme für die Demonstration"


def offerings(table: Assumptions) -> tuple[Offering, ...]:
    """Everything in the catalogue."""
    computing = [compute(body) for body in table.bodies if body.eur_per_core_hour]
    return (*computing, hosting(table.hosting), exchange(table.exchange), directory())


def compute_id(provider: str) -> str:
    """Name a body's computing offering."""
    return f"{provider}/rechenzeit"


def compute(body: Body) -> Offering:
    """Build a body's computing offering with one tariff for every dated price."""
    return Offering(
        offering_id=compute_id(body.id),
        title=f"Rechenzeit {body.name} (Demonstration)",
        description=(
            f"{_NOTE}Rechenzeit im Grid auf {', '.join(body.hosts)}, gezählt als Wanduhrsekunden je Kern "
            "(Parallel Workloads Archive, LCG-2005-1). Die Preise je Kernstunde sind unsere Annahme."
        ),
        category="compute",
        plans=(Plan(plan_id=COMPUTE_PLAN, title="Stapelbetrieb", tariffs=_versions(body.eur_per_core_hour)),),
    )


def _versions(prices: Sequence[DatedPrice]) -> tuple[Tariff, ...]:
    last_days = [later.valid_from - dt.timedelta(days=1) for later in prices[1:]]
    return tuple(
        Tariff(
            version=version,
            valid_from=dated.valid_from,
            valid_to=last_day,
            source=_ASSUMED,
            components=(
                Component(
                    id="core-time",
                    title="Rechenzeit",
                    billing="usage",
                    measure=CORE_SECONDS,
                    unit="s",
                    price=PerUnit(amount=dated.price, per=_SECONDS_PER_HOUR),
                ),
            ),
        )
        for version, (dated, last_day) in enumerate(zip(prices, [*last_days, None], strict=True), 1)
    )


def hosting(terms: Hosting) -> Offering:
    """Build the virtual machines of Münster: three linear components, limits, a licence included."""
    return Offering(
        offering_id=HOSTING,
        title="Virtuelle Maschine (Demonstration)",
        description=(
            f"{_NOTE}Preise und Grenzen: {_MUENSTER}, "
            "https://www.uni-muenster.de/NWZ/en/Angebot/Serverhosting/index.html\n"
            "Unsere Annahmen: Die Liste nennt keinen Zeitraum; hier wird einmalig je Maschine berechnet. "
            "Sie gilt hier schon 2005."
        ),
        category="hosting",
        plans=(
            Plan(
                plan_id=HOSTING_PLAN,
                title="Je Maschine",
                order=(
                    OrderQuantity(
                        id="vcpu", title="Kerne", unit="vCPU", minimum=Decimal(1), maximum=terms.vcpu_max
                    ),
                    OrderQuantity(
                        id="memory_gb",
                        title="Arbeitsspeicher",
                        unit="GB",
                        minimum=Decimal(1),
                        maximum=terms.memory_gb_max,
                    ),
                    OrderQuantity(id="disk_gb", title="Plattenplatz", unit="GB"),
                ),
                tariffs=(
                    Tariff(
                        version=1,
                        valid_from=_BEGINNING,
                        source=_MUENSTER,
                        components=(
                            _once("vcpu", "Kerne", "vCPU", terms.eur_per_vcpu),
                            _once("memory_gb", "Arbeitsspeicher", "GB", terms.eur_per_memory_gb),
                            _once("disk_gb", "Plattenplatz", "GB", terms.eur_per_disk_gb),
                            Component(
                                id="licence",
                                title="Windows-Server-Lizenz",
                                billing="usage",
                                measure=LICENCES,
                                unit="Lizenz",
                                price=Free(reason="im Preis der Maschine enthalten"),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


def _once(measure: str, title: str, unit: str, price: UnitPrice) -> Component:
    return Component(
        id=measure, title=title, billing="one_time", measure=measure, unit=unit, price=PerUnit(amount=price)
    )


def exchange(terms: Exchange) -> Offering:
    """Build the groupware of the LRZ: the consumer's class decides between a price, free and no supply."""
    return Offering(
        offering_id=EXCHANGE,
        title="Exchange-Postfächer (Demonstration)",
        description=(
            f"{_NOTE}Klassenmatrix, Zählung und Mindestmenge: LRZ, "
            "https://lrz.de/service-center/alle-lrz-services/e-mail-und-groupware/microsoft-exchange-hosting\n"
            "Unsere Annahmen: der Preis je Postfach und Jahr, ein Viertel davon je Quartalszählung; "
            "weniger als 50 Postfächer werden abgelehnt; das Angebot besteht hier schon 2005."
        ),
        category="groupware",
        plans=(
            Plan(
                plan_id=EXCHANGE_PLAN,
                title="Mandant",
                order=(
                    OrderQuantity(
                        id=MAILBOXES, title="Postfächer", unit="Postfach", minimum=terms.mailboxes_min
                    ),
                ),
                tariffs=(
                    Tariff(
                        version=1,
                        valid_from=_BEGINNING,
                        class_scheme=CLASS_SCHEME,
                        source=_LRZ,
                        components=(
                            Component(
                                id="mailbox",
                                title="Postfächer, Quartalszählung",
                                billing="usage",
                                measure=MAILBOXES,
                                unit="Postfach-Quartal",
                                price_by_class=_class_matrix(terms),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


def _class_matrix(terms: Exchange) -> dict[str, Price]:
    price = PerUnit(amount=terms.eur_per_mailbox_and_year, per=_QUARTERS)
    refused = NotOffered(reason="Das LRZ hält den Dienst für diese Klasse nicht vor")
    matrix: dict[str, Price] = {"1": Free(reason="Grundversorgung"), "2": price, "3": price}
    return matrix | dict.fromkeys(("4", "5", "6"), refused)


def directory() -> Offering:
    """Build the directory service, which is counted and costs nothing."""
    return Offering(
        offering_id=DIRECTORY,
        title="Verzeichnisdienst (Demonstration)",
        description=f"{_NOTE}Frei erfunden: Einträge im gemeinsamen Verzeichnis, gezählt und ohne Entgelt.",
        category="directory",
        plans=(
            Plan(
                plan_id=DIRECTORY_PLAN,
                title="Gemeinsames Verzeichnis",
                order=(OrderQuantity(id=ENTRIES, title="Einträge", unit="Eintrag"),),
                tariffs=(
                    Tariff(
                        version=1,
                        valid_from=_BEGINNING,
                        source=_ASSUMED,
                        components=(
                            Component(
                                id="entry",
                                title="Einträge im Verzeichnis",
                                billing="usage",
                                measure=ENTRIES,
                                unit="Eintrag",
                                price=Free(reason="alle Mitglieder tragen zum Verzeichnis bei"),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )
