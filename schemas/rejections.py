"""Why something is refused: every code with its sentence in German and English.

A refusal is a value, not an exception: rules return `Rejected`, the shell tells the sender.
"""

import dataclasses
from typing import Annotated

from pydantic import StringConstraints

from .contract import Contract
from .identifiers import Slug

SENTENCES: dict[str, tuple[str, str]] = {
    # reading a message
    "malformed_json": (
        "Die Nachricht ist kein gültiges JSON: {detail}",
        "The message is not valid JSON: {detail}",
    ),
    "invalid_field": ("Das Feld {field} ist ungültig: {detail}", "The field {field} is invalid: {detail}"),
    "duplicate_key": ("Ein Schlüssel steht doppelt: {detail}", "A key stands twice: {detail}"),
    "too_large": ("Die Nachricht ist zu groß: {detail}", "The message is too large: {detail}"),
    "wrong_type": (
        "Die Nachricht nennt den Typ {found}, auf diesem Subject wird {expected} erwartet.",
        "The message says it is {found}, on this subject {expected} is expected.",
    ),
    "unknown_command": ("Den Befehl {command} gibt es nicht.", "There is no command {command}."),
    "foreign_source": (
        "Die Nachricht nennt {found} als Absender, verbunden ist {expected}.",
        "The message names {found} as its source, connected is {expected}.",
    ),
    "id_conflict": (
        "Die Kennung {id} wurde bereits mit anderem Inhalt verwendet.",
        "The id {id} was used before with another body.",
    ),
    "internal_error": (
        "Die Nachricht konnte nicht verarbeitet werden; sie ist für die Betriebsleitung aufbewahrt.",
        "The message could not be processed; it is kept for the operators.",
    ),
    # queries
    "unavailable": (
        "Der Dienst kann gerade nicht antworten; bitte später noch einmal fragen.",
        "The service cannot answer at the moment; ask again later.",
    ),
    "not_a_member": ("Sie sind kein Mitglied des Marktplatzes.", "You are not a member of the market."),
    "no_statement": (
        "Für {member} gibt es im Zeitraum {period} keine Abrechnung.",
        "There is no statement for {member} in the period {period}.",
    ),
    "not_yours": ("Die Abrechnung von {member} ist nicht Ihre.", "The statement of {member} is not yours."),
    # documents
    "no_body": (
        "Zu {member} steht keine Körperschaft im Register.",
        "The register has no legal body of {member}.",
    ),
    "no_leitweg_id": (
        "Zu {member} steht keine Leitweg-ID im Register.",
        "The register has no Leitweg-ID of {member}.",
    ),
    "leitweg_id_wrong": (
        "Die Prüfziffern der Leitweg-ID {id} von {member} stimmen nicht.",
        "The check digits of the Leitweg-ID {id} of {member} do not fit.",
    ),
    "iban_wrong": (
        "Die Prüfziffern der IBAN von {member} stimmen nicht.",
        "The check digits of the IBAN of {member} do not fit.",
    ),
    "no_tax_rule": (
        "{member} hat nicht entschieden, wie die Position {line} umsatzsteuerlich zu behandeln ist.",
        "{member} has not decided on the VAT treatment of the line {line}.",
    ),
    "no_tax_number": (
        "Zu {member} steht weder Steuernummer noch USt-IdNr. im Register.",
        "The register has neither a tax number nor a VAT id of {member}.",
    ),
    "unknown_document": (
        "Ein Dokument {document} gibt es nicht.",
        "There is no document {document}.",
    ),
    "document_not_made": (
        "Das Dokument {document} ist noch nicht erstellt.",
        "The document {document} is not made yet.",
    ),
    "document_impossible": (
        "Das Dokument {document} konnte nicht erstellt werden: {reason}",
        "The document {document} could not be made: {reason}",
    ),
    "no_such_part": (
        "Das Dokument {document} hat keinen Teil {part}.",
        "The document {document} has no part {part}.",
    ),
    # catalogue
    "not_your_offering": (
        "Das Angebot {offering} gehört nicht zum Mitglied {member}.",
        "The offering {offering} does not belong to the member {member}.",
    ),
    "tariff_version_changed": (
        "Die veröffentlichte Tarifversion {version} des Plans {plan} ist fest; nötig ist eine neue.",
        "The published tariff version {version} of plan {plan} cannot be changed; publish a new version.",
    ),
    "tariff_version_missing": (
        "Die veröffentlichte Tarifversion {version} des Plans {plan} fehlt im Dokument.",
        "The published tariff version {version} of plan {plan} is missing from the document.",
    ),
    "plan_missing": (
        "Der veröffentlichte Plan {plan} fehlt im Dokument.",
        "The published plan {plan} is missing from the document.",
    ),
    "offering_retired": (
        "Das Angebot {offering} ist für neue Buchungen geschlossen.",
        "The offering {offering} is closed to new bookings.",
    ),
    "unknown_offering": (
        "Das Angebot {offering} ist nicht bekannt.",
        "The offering {offering} is not known.",
    ),
    "offering_paused": (
        "Das Angebot {offering} nimmt zurzeit keine neuen Buchungen an.",
        "The offering {offering} takes no new bookings at the moment.",
    ),
    "not_paused": (
        "Das Angebot {offering} ist nicht angehalten.",
        "The offering {offering} is not paused.",
    ),
    "not_published": (
        "Das Angebot {offering} ist nicht veröffentlicht.",
        "The offering {offering} is not published.",
    ),
    "form_invalid": (
        "Das Bestellformular des Plans {plan} ist kein gültiges JSON Schema: {detail}",
        "The order form of plan {plan} is not a valid JSON Schema: {detail}",
    ),
    "no_draft": (
        "Zum Angebot {offering} gibt es keinen Entwurf.",
        "There is no draft of the offering {offering}.",
    ),
    "unknown_revision": (
        "Das Angebot {offering} hat keine Revision {revision}.",
        "The offering {offering} has no revision {revision}.",
    ),
    "content_unreadable": (
        "Teil {part} ist kein gültiges Base64 von {expected} Bytes.",
        "Part {part} is not valid base64 of {expected} bytes.",
    ),
    "digest_wrong": (
        "Der Inhalt von {name} passt nicht zu seiner Prüfsumme; bitte alle Teile neu senden.",
        "The content of {name} does not match its digest; send all parts again.",
    ),
    "attachment_differs": (
        "Die Angaben zu {name} weichen von denen der früheren Teile ab.",
        "What is said about {name} differs from what its earlier parts said.",
    ),
    "attachments_full": (
        "Die Anhänge des Angebots {offering} wären zusammen größer als {limit} Bytes.",
        "The attachments of the offering {offering} would together exceed {limit} bytes.",
    ),
    "unknown_attachment": (
        "Das Angebot {offering} hat keinen Anhang {sha256}.",
        "The offering {offering} has no attachment {sha256}.",
    ),
    "derived_unknown": (
        "Das Angebot {offering} hat im Plan {plan} zurzeit keinen Preis {component}, der zu übernehmen wäre.",
        "The offering {offering} has no price {component} in plan {plan} at present that could be taken.",
    ),
    "derived_not_plain": (
        "Der Preis {component} des Angebots {offering} folgt weiteren Regeln und ist nicht übernehmbar.",
        "The price {component} of the offering {offering} depends on further rules and cannot be taken.",
    ),
    "derived_unlike": (
        "Der Preis {component} des Angebots {offering} gilt in {there}, übernommen würde er in {here}.",
        "The price {component} of the offering {offering} is in {there}, it would be taken in {here}.",
    ),
    "derived_out_of_range": (
        "Aus dem Preis {component} des Angebots {offering} ergäbe sich keiner, der darstellbar ist.",
        "The price {component} of the offering {offering} would come to one that cannot be written.",
    ),
    "derived_otherwise": (
        "Der Preis {component} nennt das Angebot {offering} als Herkunft, ist aber nicht der dortige.",
        "The price {component} says it is taken from the offering {offering}, but differs from that one.",
    ),
    # brokerage
    "details_invalid": (
        "Die Angaben passen nicht zum Bestellformular: {detail}",
        "The details do not fit the order form: {detail}",
    ),
    "details_not_asked": (
        "Der Plan {plan} hat kein Bestellformular für weitere Angaben.",
        "The plan {plan} has no order form for further details.",
    ),
    "not_eligible": (
        "Das Angebot {offering} richtet sich nicht an {member}.",
        "The offering {offering} is not meant for {member}.",
    ),
    "plan_closed": (
        "Der Plan {plan} ist für neue Buchungen geschlossen.",
        "The plan {plan} is closed to new bookings.",
    ),
    "pool_needed": (
        "Der Plan {plan} wird in einem seiner Bereiche oder Termine gebucht: {pools}.",
        "The plan {plan} is booked in one of its pools or slots: {pools}.",
    ),
    "unknown_pool": (
        "Der Plan {plan} hat keinen Bereich oder Termin {pool}.",
        "The plan {plan} has no pool or slot {pool}.",
    ),
    "slot_over": (
        "Der Termin {pool} hat bereits begonnen.",
        "The slot {pool} has begun already.",
    ),
    "slot_on_another_day": (
        "Der Termin {pool} ist am {day}; der Beginn muss auf diesen Tag fallen.",
        "The slot {pool} is on {day}; the start must be that day.",
    ),
    "no_waiting_list": (
        "Der Plan {plan} führt keine Warteliste.",
        "The plan {plan} has no waiting list.",
    ),
    "line_before_you": (
        "Es warten bereits {waiting} auf freie Plätze; mit wait_until stellen Sie sich an.",
        "There are {waiting} waiting in line already; wait_until joins them.",
    ),
    "ends_before_start": (
        "Das Ende {end} liegt nicht nach dem Beginn {start}.",
        "The end {end} is not after the start {start}.",
    ),
    "wait_until_past": (
        "Der Tag {day}, bis zu dem gewartet werden soll, ist vorbei.",
        "The day {day} to wait until is over.",
    ),
    "not_a_party": (
        "Die Buchung {booking} betrifft {member} nicht.",
        "{member} is not a party to the booking {booking}.",
    ),
    "provider_only": (
        "Das steht bei der Buchung {booking} nur dem Bereitsteller zu.",
        "With the booking {booking} this is for the provider only.",
    ),
    "not_now": (
        "Im Stand {state} der Buchung ist »{action}« für diese Seite nicht vorgesehen.",
        "In the state {state} of the booking, this side cannot {action}.",
    ),
    "nothing_to_decide": (
        "Es liegt keine Änderung vor, über die zu entscheiden wäre.",
        "There is no change to decide on.",
    ),
    "change_pending": (
        "Eine andere Änderung der Buchung ist noch nicht abgeschlossen.",
        "Another change of the booking is not finished yet.",
    ),
    "suspended_by_other": (
        "Unterbrochen hat die andere Seite; nur sie hebt das wieder auf.",
        "The other side suspended it; only that side resumes it.",
    ),
    "effective_too_early": (
        "Die Änderung kann frühestens zum {earliest} wirken.",
        "The change can take effect on {earliest} at the earliest.",
    ),
    "notice_too_short": (
        "Das Ende ist unter Einhaltung von Mindestlaufzeit und Frist frühestens zum {earliest} möglich.",
        "With minimum term and notice the booking can end on {earliest} at the earliest.",
    ),
    "notice_given": (
        "Die Buchung endet bereits zum {end}.",
        "The booking ends on {end} already.",
    ),
    "delivered_more": (
        "{quantity}: geliefert {value}, bestellt {ordered}.",
        "{quantity}: {value} delivered, {ordered} ordered.",
    ),
    "no_sealing_key": (
        "Für {member} ist kein Schlüssel zum Versiegeln eingetragen.",
        "No key for sealing is registered for {member}.",
    ),
    "sealed_to_another": (
        "Versiegelt ist für einen Schlüssel, der nicht der eingetragene von {member} ist.",
        "It is sealed to a key that is not the registered one of {member}.",
    ),
    "document_unreadable": (
        "Das Dokument {name} ist kein gültiges Base64.",
        "The document {name} is not valid base64.",
    ),
    "unknown_notice": ("Die Wartung {notice} ist nicht bekannt.", "The maintenance {notice} is not known."),
    "notice_over": (
        "Die Wartung {notice} ist abgeschlossen oder abgesagt.",
        "The maintenance {notice} is completed or cancelled.",
    ),
    "notice_state": (
        "Die Wartung {notice} kann nicht von {before} nach {after} wechseln.",
        "The maintenance {notice} cannot go from {before} to {after}.",
    ),
    "unknown_plan": (
        "Das Angebot {offering} hat keinen Plan {plan}.",
        "The offering {offering} has no plan {plan}.",
    ),
    "own_offering": (
        "Das Angebot {offering} ist Ihr eigenes; eigene Nutzung wird nicht gebucht.",
        "The offering {offering} is your own; own use is not booked.",
    ),
    "no_tariff_on_day": (
        "Am {day} gilt für den Plan {plan} kein Tarif.",
        "No tariff of plan {plan} is valid on {day}.",
    ),
    "unknown_quantity": (
        "Das Bestellfeld {quantity} gibt es nicht.",
        "There is no order quantity {quantity}.",
    ),
    "below_minimum": (
        "{quantity}: {value} liegt unter der Mindestmenge {limit}.",
        "{quantity}: {value} is below the minimum of {limit}.",
    ),
    "above_maximum": (
        "{quantity}: {value} liegt über der Höchstmenge {limit}.",
        "{quantity}: {value} is above the maximum of {limit}.",
    ),
    "class_unknown": (
        "Für Ihr Haus ist keine Nutzerklasse im Schema {scheme} eingetragen.",
        "No class of the scheme {scheme} is registered for your organisation.",
    ),
    "not_offered_to_class": (
        "Für die Nutzerklasse {consumer_class} wird {component} nicht angeboten: {reason}",
        "{component} is not offered to class {consumer_class}: {reason}",
    ),
    "not_offered": (
        "{component} wird nicht angeboten: {reason}",
        "{component} is not offered: {reason}",
    ),
    "no_price": (
        "{component}: Der Tarif nennt am {day} keinen Preis für {asked}.",
        "{component}: the tariff names no price on {day} for {asked}.",
    ),
    "price_not_resolved": (
        "{component}: Der Preis folgt dem Angebot {offering} und ist noch nicht daraus übernommen.",
        "{component}: the price follows the offering {offering} and is not taken from it yet.",
    ),
    "base_missing": (
        "{component}: Es gibt keinen Betrag, von dem der Anteil zu nehmen wäre ({base}).",
        "{component}: there is no amount to take the percentage of ({base}).",
    ),
    "base_unpriced": (
        "{component}: Ein Betrag, von dem der Anteil zu nehmen ist, steht noch nicht fest ({base}).",
        "{component}: an amount to take the percentage of is not known yet ({base}).",
    ),
    "beyond_last_tier": (
        "{component}: {value} {unit} liegt über der letzten Preisstufe, die bei {limit} endet.",
        "{component}: {value} {unit} lies beyond the last tier, which ends at {limit}.",
    ),
    "negative_quantity": (
        "{component}: Für die negative Menge {value} gibt es keine Preisstufe.",
        "{component}: there is no tier for the negative quantity {value}.",
    ),
    "no_capacity": (
        "{quantity}: {value} angefragt, {free} frei.",
        "{quantity}: {value} requested, {free} free.",
    ),
    "implausible_amount": (
        "{measure}: {value} ergäbe mehr als {limit} in einem Posten.",
        "{measure}: {value} would come to more than {limit} in one item.",
    ),
    "booking_id_taken": (
        "Die Buchungskennung {id} ist bereits vergeben.",
        "The booking id {id} is taken.",
    ),
    # billing
    "unknown_booking": ("Die Buchung {booking} ist nicht bekannt.", "The booking {booking} is not known."),
    "not_your_booking": (
        "Die Buchung {booking} gehört nicht zu einem Angebot von {member}.",
        "The booking {booking} is not for an offering of {member}.",
    ),
    "unknown_meter": (
        "Der Tarif der Buchung kennt den Zähler {meter} nicht.",
        "The tariff of the booking has no meter {meter}.",
    ),
    "outside_booking": (
        "Der Zeitraum liegt außerhalb der Buchung ({start} bis {end}).",
        "The span lies outside the booking ({start} to {end}).",
    ),
    "record_conflict": (
        "Der Datensatz {record} ist mit anderem Inhalt bekannt.",
        "The record {record} is known with other content.",
    ),
    "unknown_record": (
        "Der Datensatz {record}, der ersetzt oder zurückgenommen werden soll, ist nicht bekannt.",
        "The record {record} that is to be replaced or taken back is not known.",
    ),
    "already_corrected": (
        "Der Datensatz {record} ist bereits ersetzt; zu berichtigen ist der Datensatz, der ihn ersetzt.",
        "The record {record} is replaced already; correct the record that replaces it.",
    ),
    "already_cancelled": (
        "Der Datensatz {record} ist bereits zurückgenommen.",
        "The record {record} is taken back already.",
    ),
    "not_your_records": (
        "Die Datensätze von {member} sind nicht Ihre.",
        "The records of {member} are not yours.",
    ),
    "unknown_clarification": (
        "Einen Eintrag {clarification} gibt es auf der Klärungsliste nicht.",
        "There is no entry {clarification} on the list of contradictory records.",
    ),
    "clarification_settled": (
        "Der Eintrag {clarification} der Klärungsliste ist bereits erledigt.",
        "The entry {clarification} of the list of contradictory records is closed already.",
    ),
    "period_closed": ("Der Zeitraum {period} ist abgeschlossen.", "The period {period} is closed."),
    "period_not_over": (
        "Der Zeitraum {period} ist noch nicht zu Ende.",
        "The period {period} is not over yet.",
    ),
    # settlement runs
    "no_run": (
        "Für den Zeitraum {period} gibt es keinen Abrechnungslauf.",
        "There is no settlement run of the period {period}.",
    ),
    "another_run_open": (
        "Der Lauf {period} ist noch nicht festgeschrieben; auf ihm baut jeder weitere auf.",
        "The run {period} is not issued yet; every further one builds on it.",
    ),
    "redraft_without_reason": (
        "Der Lauf {period} ist bereits geprüft; ein neuer Entwurf braucht eine Begründung.",
        "The run {period} has been reviewed; drafting it anew needs a reason.",
    ),
    "run_issued": (
        "Der Lauf {period} ist festgeschrieben.",
        "The run {period} is issued.",
    ),
    "run_revision_changed": (
        "Der Lauf {period} liegt als Entwurf {revision} vor, genannt ist {named}.",
        "The run {period} stands as draft {revision}, named is {named}.",
    ),
    "run_in_grace": (
        "Der Lauf {period} nimmt bis {until} noch Nachzügler auf und kann erst dann geprüft werden.",
        "The run {period} takes stragglers until {until} and can be reviewed only then.",
    ),
    "run_reviewed": (
        "Der Lauf {period} ist bereits geprüft.",
        "The run {period} has been reviewed already.",
    ),
    "run_not_reviewed": (
        "Der Lauf {period} ist noch nicht geprüft.",
        "The run {period} has not been reviewed yet.",
    ),
    "same_person": (
        "Es geben zwei Personen frei; {person} hat bereits geprüft oder seither über Hinweise entschieden.",
        "It takes two people; {person} has reviewed or has decided on alerts since.",
    ),
    "alerts_open": (
        "Über {count} Hinweise des Laufs {period} ist noch nicht entschieden.",
        "{count} alerts of the run {period} are not decided on yet.",
    ),
    "unknown_alert": (
        "Einen Hinweis {alert} hat der Lauf {period} nicht.",
        "The run {period} has no alert {alert}.",
    ),
    "nothing_to_release": (
        "Zum Hinweis {alert} gibt es keine Position; er kann nur zurückgestellt werden.",
        "The alert {alert} has no line; it can only be held.",
    ),
    "unknown_line": (
        "Eine Position {line} gibt es in dieser Abrechnung nicht.",
        "There is no line {line} in this statement.",
    ),
    "entry_without_postings": (
        "Ein Buchungssatz hat mindestens zwei Seiten.",
        "An entry has two sides at least.",
    ),
    "unknown_account": ("Das Konto {account} gibt es nicht.", "There is no account {account}."),
    "posting_of_nothing": (
        "Auf {account} würde nichts gebucht.",
        "Nothing would be posted to {account}.",
    ),
    "entry_unbalanced": (
        "Soll und Haben weichen um {cents} Cent voneinander ab.",
        "Debit and credit differ by {cents} cents.",
    ),
    "body_unbalanced": (
        "Bei {body} weichen Soll und Haben um {cents} Cent voneinander ab.",
        "Debit and credit of {body} differ by {cents} cents.",
    ),
    "unknown_entry": ("Den Buchungssatz {entry} gibt es nicht.", "There is no entry {entry}."),
    "entry_is_reversal": (
        "Buchungssatz {entry} ist ein Storno und wird nicht storniert.",
        "Entry {entry} is a reversal, which is not reversed.",
    ),
    "entry_reversed": (
        "Buchungssatz {entry} ist bereits storniert.",
        "Entry {entry} is reversed already.",
    ),
    "reversal_without_reason": (
        "Das Storno von Buchungssatz {entry} braucht einen Grund.",
        "The reversal of entry {entry} needs a reason.",
    ),
    "reversal_differs": (
        "Das Storno nimmt Buchungssatz {entry} nicht genau zurück.",
        "The reversal does not take entry {entry} back exactly.",
    ),
    "not_your_journal": (
        "Das Journal von {member} ist nicht Ihres.",
        "The journal of {member} is not yours.",
    ),
    "starts_too_early": (
        "Der Beginn {start} liegt zu weit zurück; möglich ist er ab {earliest}.",
        "The start {start} is too far in the past; it is possible from {earliest} on.",
    ),
    "key_not_effective": (
        "Der Schlüssel {key} gilt erst ab {day}.",
        "The key {key} takes effect on {day} only.",
    ),
    "key_holder_missing": (
        "Der Schlüssel {key} nennt {holder}, dort ist kein Mitglied.",
        "The key {key} names {holder}, where there is no member.",
    ),
    "nobody_to_share": (
        "Niemand ist da, auf den {amount} zu verteilen wäre: Alle Gewichte sind null.",
        "There is nobody to share {amount} among: all weights are zero.",
    ),
    "negative_weight": (
        "Der Schlüssel {key} ist für {member} negativ.",
        "The key {key} is negative for {member}.",
    ),
    "cap_below_floor": (
        "Für {party} liegt die Obergrenze unter der Untergrenze.",
        "The cap of {party} lies below its floor.",
    ),
    "floors_above_amount": (
        "Die Untergrenzen ergeben {floors}, zu verteilen sind nur {amount}.",
        "The floors come to {floors}, only {amount} are to be shared.",
    ),
    "caps_below_amount": (
        "Die Obergrenzen ergeben {caps}, zu verteilen sind {amount}.",
        "The caps come to {caps}, {amount} are to be shared.",
    ),
    # documents that are issued again, reports, the end of a year
    "invoice_takes_back": (
        "{number} nimmt {preceding} zurück und wird nicht neu ausgestellt.",
        "{number} takes {preceding} back and is not issued again.",
    ),
    "invoice_reissued": (
        "{number} ist bereits zurückgenommen und neu ausgestellt; neu ausstellen lässt sich der Ersatz.",
        "{number} was taken back and issued again already; what replaces it can be issued again.",
    ),
    "report_not_yours": (
        "Den Nachweis von {member} sehen nur {member} und die Geschäftsstelle.",
        "Only {member} and the office see the report on {member}.",
    ),
    "year_not_over": ("Das Jahr {year} ist noch nicht zu Ende.", "The year {year} is not over yet."),
    "year_closed": ("Das Jahr {year} ist abgeschlossen.", "The year {year} is closed."),
    "year_not_issued": (
        "Die Läufe {periods} sind noch nicht festgeschrieben.",
        "The runs {periods} are not issued yet.",
    ),
    "year_with_open_pools": (
        "Diese Kostenstöcke sind noch nicht abgerechnet: {pools}",
        "These cost pools are not settled yet: {pools}",
    ),
    "year_with_objections": (
        "Nicht entschiedene Einwendungen des Jahres {year}: {count}.",
        "Objections of the year {year} that are not decided: {count}.",
    ),
    # pools
    "key_version_taken": (
        "Die Version {version} des Schlüssels {key} ist mit anderem Inhalt veröffentlicht.",
        "Version {version} of the key {key} is published with other content.",
    ),
    "cost_pool_exists": (
        "Einen Kostentopf {pool} gibt es bereits.",
        "There is a cost pool {pool} already.",
    ),
    "unknown_cost_pool": (
        "Einen Kostentopf {pool} gibt es nicht.",
        "There is no cost pool {pool}.",
    ),
    "clause_flawed": (
        "Die Klausel ist nicht zu gebrauchen ({place}): {reason}",
        "The clause cannot be used ({place}): {reason}",
    ),
    "clause_not_in_force": (
        "Die Klausel {clause} hat für den {day} keine Fassung.",
        "The clause {clause} has no version for {day}.",
    ),
    "clause_without_charges": (
        "Die Klausel {clause} sagt nicht, was berechnet wird.",
        "The clause {clause} does not say what is charged.",
    ),
    "clause_charges_advances": (
        "Abschläge und Spitzabrechnung ermittelt der Kostentopf; die Klausel berechnet {step} als {kind}.",
        "The pool itself works out advances and true-ups; the clause charges {step} as {kind}.",
    ),
    "pool_not_in_euro": (
        "Berechnet wird in ganzen Cent; die Klausel rechnet in {currency} mit {decimals} Nachkommastellen.",
        "Charges are in whole cents; the clause reckons in {currency} with {decimals} decimals.",
    ),
    "pool_not_cash": (
        "Der Kostentopf {pool} rechnet in einer internen Währung, die nie in Geld berechnet wird.",
        "The pool {pool} reckons in an internal currency, which is never charged in money.",
    ),
    "not_a_member_of_market": (
        "{member} ist kein Mitglied des Marktes.",
        "{member} is no member of the market.",
    ),
    "too_many_participants": (
        "Ein Kostentopf hat höchstens {most} Beteiligte.",
        "A pool has at most {most} participants.",
    ),
    "not_a_bearer": (
        "{member} trägt für den Kostentopf {pool} keine Kosten.",
        "{member} bears no costs of the pool {pool}.",
    ),
    "not_a_cost": (
        "Die Klausel kennt keine Kosten {input}.",
        "The clause has no costs {input}.",
    ),
    "cost_party_missing": (
        "Die Kosten {input} gibt es je Beteiligtem: party fehlt.",
        "There are costs {input} of each party: party is missing.",
    ),
    "cost_party_not_asked": (
        "Die Kosten {input} gibt es nur im Ganzen, nicht für {party}.",
        "There are costs {input} as a whole only, not of {party}.",
    ),
    "cost_conflict": (
        "Die Kosten {cost} sind mit anderem Inhalt bekannt.",
        "The cost {cost} is known with other content.",
    ),
    "unknown_cost": (
        "Die Kosten {cost} sind in diesem Kostentopf nicht bekannt.",
        "The cost {cost} is not known in this pool.",
    ),
    "cost_corrected": (
        "Die Kosten {cost} sind bereits durch {by} ersetzt.",
        "The cost {cost} is replaced by {by} already.",
    ),
    "input_reported": (
        "Die Angabe {input} ergibt sich aus gemeldeten Kosten und ist nicht anzugeben.",
        "The input {input} comes from reported costs and is not to be told.",
    ),
    "pool_held": (
        "Noch ist nichts zu berechnen: {reason}",
        "Nothing can be charged yet: {reason}",
    ),
    "pool_settled": (
        "Der Kostentopf {pool} ist abgerechnet; Abschläge gibt es nicht mehr.",
        "The pool {pool} is settled; there are no more advances.",
    ),
    "unknown_party": (
        "Für {party} steht im Kostentopf {pool} kein Mitglied.",
        "No member stands for {party} in the pool {pool}.",
    ),
    "amount_too_large": (
        "Der Betrag für {party} ist größer als jeder, der berechnet werden kann.",
        "The amount of {party} is larger than any that can be charged.",
    ),
    "carry_into_itself": (
        "Ein Kostentopf trägt nichts in sich selbst vor.",
        "A pool carries nothing into itself.",
    ),
    # review: statements, objections, levies that are taken back
    "statement_not_issued": (
        "Die Abrechnung für {period} ist noch nicht gestellt.",
        "The statement for {period} is not issued yet.",
    ),
    "statement_certified": (
        "Die Abrechnung {number} ist bereits von {person} sachlich und rechnerisch richtig gezeichnet.",
        "The statement {number} is certified by {person} already.",
    ),
    "statement_not_certified": (
        "Die Abrechnung {number} ist noch nicht sachlich und rechnerisch richtig gezeichnet.",
        "The statement {number} is not certified yet.",
    ),
    "statement_ordered": (
        "Die Zahlung der Abrechnung {number} ist bereits von {person} angeordnet.",
        "The payment of the statement {number} is ordered by {person} already.",
    ),
    "same_person_orders": (
        "{person} hat die Abrechnung {number} gezeichnet; anordnen muss eine andere Person.",
        "{person} certified the statement {number}; another person has to order its payment.",
    ),
    "line_not_owed": (
        "Die Position {line} aus {period} schuldet {payer}; nur diese Seite kann ihr widersprechen.",
        "Line {line} of {period} is owed by {payer}; only that side can object to it.",
    ),
    "line_held": (
        "Die Position {line} aus {period} ist zurückgestellt und wird noch nicht gefordert.",
        "Line {line} of {period} is on hold and is not asked for yet.",
    ),
    "line_charges_nothing": (
        "Die Position {line} aus {period} fordert nichts, dem zu widersprechen wäre.",
        "Line {line} of {period} asks for nothing that could be objected to.",
    ),
    "line_credited": (
        "Die Position {line} aus {period} ist bereits ganz gutgeschrieben oder zurückgenommen.",
        "Line {line} of {period} is credited or taken back as a whole already.",
    ),
    "line_disputed": (
        "Gegen die Position {line} aus {period} ist bereits ein Widerspruch offen.",
        "An objection to line {line} of {period} is open already.",
    ),
    "objection_too_late": (
        "Gegen die Position {line} aus {period} war Widerspruch bis zum {deadline} möglich.",
        "Line {line} of {period} could be objected to until {deadline}.",
    ),
    "objection_id_taken": (
        "Die Kennung {id} eines Widerspruchs ist bereits vergeben.",
        "The id {id} of an objection is taken.",
    ),
    "unknown_objection": (
        "Den Widerspruch {objection} gibt es nicht.",
        "There is no objection {objection}.",
    ),
    "not_yours_to_decide": (
        "Über den Widerspruch {objection} entscheidet {payee}.",
        "The objection {objection} is decided by {payee}.",
    ),
    "not_your_objection": (
        "Den Widerspruch {objection} hat {payer} erhoben; nur diese Seite nimmt ihn zurück.",
        "The objection {objection} was raised by {payer}; only that side takes it back.",
    ),
    "objection_settled": (
        "Der Widerspruch {objection} ist bereits seit {day} erledigt.",
        "The objection {objection} was settled on {day} already.",
    ),
    "treatment_forgotten": (
        "Dem Register fehlt die Regel {rule} von {payee} (Position {line}); der Lauf ist neu zu bilden.",
        "The register has lost the rule {rule} of {payee} (line {line}); the run has to be drafted anew.",
    ),
    "line_taken_back": (
        "Die Position {line} aus {period} ist inzwischen zurückgenommen; gutzuschreiben ist nichts mehr.",
        "Line {line} of {period} has been taken back meanwhile; nothing of it is left to be credited.",
    ),
    "credit_of_dismissal": (
        "Ein zurückgewiesener Widerspruch bringt keine Gutschrift.",
        "An objection that is dismissed brings no credit.",
    ),
    "credit_too_large": (
        "Gutzuschreiben sind höchstens {limit} Cent netto; so viel fordert die Position noch.",
        "At most {limit} cents net can be credited, which is what the line still asks for.",
    ),
    "unknown_levy": ("Eine Umlage {levy} gibt es nicht.", "There is no levy {levy}."),
    "levy_reversed": (
        "Die Umlage {levy} ist bereits im Zeitraum {period} zurückgenommen.",
        "The levy {levy} is taken back in the period {period} already.",
    ),
    "levy_not_reversed": (
        "Die Umlage {levy} ist nicht zurückgenommen und deshalb nicht neu zu berechnen.",
        "The levy {levy} is not taken back, so that it cannot be billed again.",
    ),
    "levy_replaced": (
        "Die Umlage {levy} ist bereits durch {by} neu berechnet.",
        "The levy {levy} is billed again by {by} already.",
    ),
    "levy_not_charged": (
        "Die Umlage {levy} ist noch nicht abgerechnet; zurückzunehmen ist sie in ihrem Zeitraum {period}.",
        "The levy {levy} is not settled yet; it is to be taken back in its own period {period}.",
    ),
    "levy_later": (
        "Die Umlage {levy} gehört zum Zeitraum {period}; früher ist sie nicht zurückzunehmen.",
        "The levy {levy} belongs to the period {period}; it cannot be taken back before.",
    ),
    "levy_disputed": (
        "Gegen die Umlage {levy} sind {count} Widersprüche offen; über sie ist zuerst zu entscheiden.",
        "{count} objections to the levy {levy} are open; they have to be decided first.",
    ),
    "unknown_invoice": ("Einen Beleg {number} gibt es nicht.", "There is no document {number}."),
    "not_your_invoice": (
        "Den Beleg {number} stellen nur {issuer} und die Geschäftsstelle neu aus.",
        "Only {issuer} and the office issue the document {number} again.",
    ),
    # clauses
    "input_missing": ("Die Angabe {input} fehlt.", "The input {input} is missing."),
    "input_unknown": (
        "Die Klausel kennt keine Angabe {input}.",
        "The clause has no input {input}.",
    ),
    "input_invalid": (
        "Die Angabe {input} ist ungültig: erwartet wird {expected}.",
        "The input {input} is invalid: expected is {expected}.",
    ),
    "input_limit": (
        "Die Angabe {input} ist mit {value} außerhalb der Grenze {limit}.",
        "The input {input} of {value} is beyond the limit of {limit}.",
    ),
    "input_not_known": (
        "Die Angabe {input} kennt den Wert {value} nicht; möglich sind {known}.",
        "The input {input} has no value {value}; possible are {known}.",
    ),
    "unknown_person": (
        "Das Register kennt bei {member} keine Person {person}.",
        "The register knows no person {person} of {member}.",
    ),
    "claim_invalid": (
        "Die Unterschrift von {person} passt nicht zu diesem Befehl.",
        "The signature of {person} does not fit this command.",
    ),
    "person_left": (
        "{person} handelt seit dem {day} nicht mehr für das Mitglied.",
        "{person} has not acted for the member since {day}.",
    ),
    "duty_missing": (
        "{person} hat die Aufgabe {duty} nicht.",
        "{person} does not have the duty {duty}.",
    ),
    # netting, payments, account statements and reminders
    "nothing_to_net": (
        "Bis zum {day} ist nichts fällig, das noch zu zahlen oder zu verrechnen wäre.",
        "Nothing that is still to be paid or offset is due by {day}.",
    ),
    "not_your_account": (
        "Das Konto {iban} ist im Verzeichnis nicht das von {member}.",
        "The register does not name {iban} as the account of {member}.",
    ),
    "bank_reference_unknown": (
        "Der Umsatz nennt keine Referenz einer vereinbarten Zahlung.",
        "The entry names no reference of an arranged payment.",
    ),
    "bank_reference_ambiguous": (
        "Der Umsatz nennt mehrere Zahlungen: {references}.",
        "The entry names several payments: {references}.",
    ),
    "bank_other_way": (
        "Zur Zahlung {reference} läuft der Umsatz in die Gegenrichtung und ist keine Rückgabe der Bank.",
        "The entry goes the other way than the payment {reference} and is no return by the bank.",
    ),
    "bank_overpaid": (
        "Auf die Zahlung {reference} ging mehr ein, als offen war.",
        "More came in on the payment {reference} than was open.",
    ),
    "bank_entry_differs": (
        "Der Umsatz {entry} wurde mit einem anderen Betrag bereits gebucht.",
        "The entry {entry} was booked before with another amount.",
    ),
    "bank_entry_in_future": (
        "Der Buchungstag {day} liegt in der Zukunft.",
        "The day of booking, {day}, lies in the future.",
    ),
    "nothing_to_pay": ("Es ist keine Zahlung offen.", "No payment is open."),
    "not_your_payments": (
        "Offene Posten und Zahlungen von {member} sind nicht Ihre.",
        "Open items and payments of {member} are not yours.",
    ),
    "reminder_in_future": (
        "Gemahnt wird nicht zum {day}: der Tag liegt in der Zukunft.",
        "Nobody is reminded as of {day}: that day lies in the future.",
    ),
    "late_charge_held": (
        "Der Verspätungszuschlag kann nicht berechnet werden: {reason}",
        "The late charge cannot be worked out: {reason}",
    ),
    "late_charge_not_euro": (
        "Der Verspätungszuschlag rechnet in {currency}, nicht in Euro und Cent.",
        "The late charge reckons in {currency}, not in euro and cents.",
    ),
    "number_too_long": (
        "Der Schritt {step} ergibt eine Zahl mit mehr als 150 Stellen.",
        "The step {step} comes to a number of more than 150 digits.",
    ),
    "division_by_zero": (
        "Der Schritt {step} teilt durch null.",
        "The step {step} divides by zero.",
    ),
    "not_whole": (
        "Der Schritt {step} verteilt {amount}, keinen Betrag in ganzen kleinsten Einheiten.",
        "The step {step} shares {amount}, which is no amount in whole smallest units.",
    ),
    "not_exact": (
        "Die Forderungen ergeben {charged}, die Kosten sind {cost}.",
        "The charges sum to {charged}, the cost is {cost}.",
    ),
    "member_without_share": (
        "Der Schlüssel {key} enthält nichts für {member} ({holder}).",
        "The key {key} holds nothing for {member} ({holder}).",
    ),
}


class Rejection(Contract):
    """Tells a sender why a command was refused, for machines and for people."""

    command: Annotated[str, StringConstraints(max_length=200)]
    code: Slug
    message_de: str
    message_en: str
    field: Annotated[str, StringConstraints(max_length=300)] = ""


@dataclasses.dataclass(frozen=True)
class Said:
    """A parameter that is a sentence itself, in German and English."""

    german: str
    english: str

    @property
    def sentences(self) -> tuple[str, str]:
        """Both."""
        return self.german, self.english


@dataclasses.dataclass(frozen=True)
class Rejected:
    """A refusal as a value, with what its sentences need to know."""

    code: str
    parameters: dict[str, object] = dataclasses.field(default_factory=dict)
    field: str = ""

    @property
    def sentences(self) -> tuple[str, str]:
        """The reason in German and English."""
        german, english = SENTENCES[self.code]
        return german.format_map(self._in(0)), english.format_map(self._in(1))

    def _in(self, language: int) -> dict[str, object]:
        return {
            name: value.sentences[language] if isinstance(value, Said) else value
            for name, value in self.parameters.items()
        }

    def as_rejection(self, command: str) -> Rejection:
        """The payload that tells the sender of `command`."""
        german, english = self.sentences
        return Rejection(
            command=command[:200],
            code=self.code,
            message_de=german[:2000],
            message_en=english[:2000],
            field=self.field[:300],
        )


def rejected(code: str, field: str = "", /, **parameters: object) -> Rejected:
    """Refuse with a code of `SENTENCES`."""
    return Rejected(code, parameters, field)
