"""What the phases of a booking and what moves it are called, in German and English, once.

`interested`, `held` and the like are the contract's words; these are for people.
"""

from collections.abc import Mapping

from allmende.schemas.brokerage import Actor, BookingState, Impact, InstanceState, MaintenanceState, Trigger

Words = tuple[str, str]
"""In German and in English."""

STATES: Mapping[BookingState, Words] = {
    "interested": ("Interesse bekundet", "interest stated"),
    "held": ("auf der Warteliste", "in the waiting line"),
    "offered": ("angeboten", "offered"),
    "pending_consumer": ("wartet auf Freigabe des Abnehmers", "awaits the consumer's approval"),
    "pending_provider": ("wartet auf Zusage des Bereitstellers", "awaits the provider's approval"),
    "acknowledged": ("zugesagt", "agreed"),
    "in_progress": ("wird eingerichtet", "being set up"),
    "completed": ("gebucht", "booked"),
    "partial": ("teilweise gebucht", "partly booked"),
    "assessing_cancellation": ("Storno wird geprüft", "cancellation under review"),
    "pending_cancellation": ("wird rückgängig gemacht", "being undone"),
    "rejected": ("abgelehnt", "rejected"),
    "cancelled": ("storniert", "cancelled"),
    "failed": ("gescheitert", "failed"),
}

INSTANCES: Mapping[InstanceState, Words] = {
    "creating": ("im Aufbau", "being created"),
    "active": ("in Betrieb", "active"),
    "updating": ("wird geändert", "being changed"),
    "suspended": ("unterbrochen", "suspended"),
    "terminating": ("im Abbau", "being taken down"),
    "terminated": ("beendet", "ended"),
    "erred": ("gestört", "erred"),
}

TRIGGERS: Mapping[Trigger, Words] = {
    "request": ("angefragt", "requested"),
    "accept": ("angenommen", "accepted"),
    "approve": ("zugestimmt", "approved"),
    "decline": ("abgelehnt", "declined"),
    "cancel": ("Storno", "cancelled"),
    "concede": ("Storno zugestanden", "cancellation conceded"),
    "offer": ("Platz angeboten", "place offered"),
    "lapse": ("Frist abgelaufen", "time is over"),
    "begin": ("begonnen", "begun"),
    "accepted": ("Arbeit aufgenommen", "work taken up"),
    "milestone": ("Meilenstein", "milestone"),
    "active": ("in Betrieb genommen", "put into service"),
    "partial": ("teilweise geliefert", "partly delivered"),
    "failed": ("gescheitert", "failed"),
    "dismantled": ("abgebaut", "taken down"),
    "suspend": ("unterbrochen", "suspended"),
    "resume": ("fortgesetzt", "resumed"),
    "amend": ("Änderung", "change"),
    "take_effect": ("Änderung wirksam", "change takes effect"),
    "terminate": ("gekündigt", "notice given"),
    "renew": ("verlängert", "renewed"),
    "end": ("Ende erreicht", "end reached"),
}

ACTORS: Mapping[Actor, Words] = {
    "consumer": ("Abnehmer", "consumer"),
    "provider": ("Bereitsteller", "provider"),
    "clock": ("Frist", "clock"),
}

IMPACTS: Mapping[Impact, Words] = {
    "none": ("keine Auswirkung", "no impact"),
    "degraded": ("eingeschränkt", "degraded"),
    "outage": ("Ausfall", "outage"),
}

MAINTENANCE: Mapping[MaintenanceState, Words] = {
    "draft": ("Entwurf", "draft"),
    "scheduled": ("geplant", "scheduled"),
    "in_progress": ("läuft", "in progress"),
    "completed": ("abgeschlossen", "completed"),
    "cancelled": ("abgesagt", "cancelled"),
}


def phase(state: BookingState, instance: InstanceState | None) -> Words:
    """Name where an order stands and, if there is one, the service that was ordered."""
    german, english = STATES[state]
    if instance is None:
        return german, english
    of_german, of_english = INSTANCES[instance]
    return f"{german}, {of_german}", f"{english}, {of_english}"
