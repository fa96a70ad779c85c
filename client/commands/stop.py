"""Ending a command with one plain sentence and the exit code that scripts can tell apart."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allmende.schemas.rejections import Rejection

FAILURE = 1
USAGE = 2
NOT_FOUND = 3
DENIED = 4
CONFLICT = 5
UNREACHABLE = 6

_BY_REJECTION = {
    "unknown_offering": NOT_FOUND,
    "unknown_revision": NOT_FOUND,
    "unknown_attachment": NOT_FOUND,
    "no_draft": NOT_FOUND,
    "unknown_plan": NOT_FOUND,
    "unknown_booking": NOT_FOUND,
    "unknown_pool": NOT_FOUND,
    "unknown_notice": NOT_FOUND,
    "no_statement": NOT_FOUND,
    "unknown_record": NOT_FOUND,
    "unknown_clarification": NOT_FOUND,
    "unknown_cost_pool": NOT_FOUND,
    "unknown_cost": NOT_FOUND,
    "not_a_bearer": DENIED,
    "key_version_taken": CONFLICT,
    "cost_pool_exists": CONFLICT,
    "cost_conflict": CONFLICT,
    "cost_corrected": CONFLICT,
    "pool_held": CONFLICT,
    "pool_settled": CONFLICT,
    "not_a_member": DENIED,
    "not_yours": DENIED,
    "not_your_records": DENIED,
    "unknown_entry": NOT_FOUND,
    "not_your_journal": DENIED,
    "not_your_offering": DENIED,
    "not_your_booking": DENIED,
    "not_a_party": DENIED,
    "not_eligible": DENIED,
    "provider_only": DENIED,
    "foreign_source": DENIED,
    "id_conflict": CONFLICT,
    "booking_id_taken": CONFLICT,
    "record_conflict": CONFLICT,
    "already_corrected": CONFLICT,
    "already_cancelled": CONFLICT,
    "clarification_settled": CONFLICT,
    "period_closed": CONFLICT,
    "entry_reversed": CONFLICT,
    "entry_is_reversal": CONFLICT,
    "not_now": CONFLICT,
    "nothing_to_decide": CONFLICT,
    "change_pending": CONFLICT,
    "suspended_by_other": CONFLICT,
    "notice_given": CONFLICT,
    "notice_over": CONFLICT,
    "notice_state": CONFLICT,
    "plan_missing": CONFLICT,
    "tariff_version_changed": CONFLICT,
    "tariff_version_missing": CONFLICT,
    "unknown_person": DENIED,
    "claim_invalid": DENIED,
    "person_left": DENIED,
    "duty_missing": DENIED,
    "unknown_document": NOT_FOUND,
    "no_such_part": NOT_FOUND,
    "no_run": NOT_FOUND,
    "unknown_alert": NOT_FOUND,
    "unknown_line": NOT_FOUND,
    "unknown_objection": NOT_FOUND,
    "unknown_levy": NOT_FOUND,
    "unknown_invoice": NOT_FOUND,
    "statement_not_issued": NOT_FOUND,
    "nothing_to_net": NOT_FOUND,
    "nothing_to_pay": NOT_FOUND,
    "same_person": DENIED,
    "same_person_orders": DENIED,
    "report_not_yours": DENIED,
    "line_not_owed": DENIED,
    "not_yours_to_decide": DENIED,
    "not_your_objection": DENIED,
    "not_your_invoice": DENIED,
    "not_your_account": DENIED,
    "not_your_payments": DENIED,
    "document_not_made": CONFLICT,
    "document_impossible": CONFLICT,
    "another_run_open": CONFLICT,
    "run_issued": CONFLICT,
    "run_revision_changed": CONFLICT,
    "run_in_grace": CONFLICT,
    "run_reviewed": CONFLICT,
    "run_not_reviewed": CONFLICT,
    "alerts_open": CONFLICT,
    "invoice_takes_back": CONFLICT,
    "invoice_reissued": CONFLICT,
    "year_not_over": CONFLICT,
    "year_closed": CONFLICT,
    "year_not_issued": CONFLICT,
    "year_with_open_pools": CONFLICT,
    "year_with_objections": CONFLICT,
    "statement_certified": CONFLICT,
    "statement_not_certified": CONFLICT,
    "statement_ordered": CONFLICT,
    "line_held": CONFLICT,
    "line_credited": CONFLICT,
    "line_disputed": CONFLICT,
    "objection_too_late": CONFLICT,
    "objection_id_taken": CONFLICT,
    "objection_settled": CONFLICT,
    "levy_reversed": CONFLICT,
    "levy_not_reversed": CONFLICT,
    "levy_replaced": CONFLICT,
    "levy_not_charged": CONFLICT,
    "levy_later": CONFLICT,
    "levy_disputed": CONFLICT,
    "bank_entry_differs": CONFLICT,
    "unavailable": UNREACHABLE,
}


class Stop(Exception):  # noqa: N818 - the sentence is what people read
    """Ends a command.

    Args:
        sentence: what is wrong and what mends it, in the reader's language.
        exit_code: 1 failure, 2 usage, 3 not found, 4 denied, 5 conflict, 6 unreachable.
    """

    def __init__(self, sentence: str, exit_code: int = FAILURE) -> None:
        super().__init__(sentence, exit_code)
        self.sentence = sentence
        self.exit_code = exit_code


def exit_code_of(rejection: "Rejection") -> int:
    """Tell the exit code of a refusal."""
    return _BY_REJECTION.get(rejection.code, FAILURE)
