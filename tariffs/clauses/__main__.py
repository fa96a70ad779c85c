"""Runs cost clauses: the whole collection with its worked examples, or any document.

python -m allmende.tariffs.clauses                              the collection, as a table
python -m allmende.tariffs.clauses FILE                         checks the clauses of a file
python -m allmende.tariffs.clauses FILE --inputs CASES          runs them and tells the story
"""

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from allmende.schemas.clause import Clause, ClauseVersion
from allmende.schemas.clause_case import CaseDocument
from allmende.schemas.documents import Document, Mistakes
from allmende.schemas.mistakes import Mistake
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.clause import Held, Outcome, Result
from allmende.tariffs.values import ONE, Unit, told

from . import collection, files
from .cases import run_case, version_for

Language = Literal["de", "en"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 says that something failed."""
    parser = argparse.ArgumentParser(
        prog="allmende.tariffs.clauses", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, help="YAML or JSON with one or several clauses")
    parser.add_argument("--inputs", type=Path, help="YAML or JSON with one or several cases")
    parser.add_argument(
        "--keys", type=Path, action="append", default=[], help="more published keys; several times"
    )
    parser.add_argument("--language", choices=("de", "en"), default="de")
    options = parser.parse_args(arguments)
    try:
        if options.file is None:
            return collection.report(print)
        return _one_file(options.file, options.inputs, options.keys, options.language)
    except Mistakes as error:
        for mistake in error.mistakes:
            print(mistake.text(error.file, options.language), file=sys.stderr)
    except (OSError, UnicodeDecodeError) as error:
        print(error, file=sys.stderr)
    return 1


def _one_file(path: Path, inputs: Path | None, more_keys: Sequence[Path], language: Language) -> int:
    clauses = files.read_clauses(path.read_text(encoding="utf-8"), str(path))
    keys = files.published_keys()
    for each in more_keys:
        keys += files.read_keys(each.read_text(encoding="utf-8"), str(each))
    if inputs is None:
        fine = {"de": "ohne Fehler", "en": "no mistakes"}[language]
        for clause in clauses:
            print(f"{path}: {clause.clause_id}: {fine}")
        return 0
    cases = files.read_cases(inputs.read_text(encoding="utf-8"), str(inputs))
    failed = False
    for clause in clauses:
        for document in cases:
            failed |= not _run(clause, document, keys, str(inputs), language)
    return 1 if failed else 0


def _run(
    clause: Clause,
    document: Document[CaseDocument],
    keys: Sequence[AllocationKey],
    file: str,
    language: Language,
) -> bool:
    case = document.value
    print("\n".join(filter(None, ("", clause.title, case.title, ""))))
    version = version_for(clause, case)
    if version is None:
        raise Mistakes(file, [document.mistake(("first_day",), *_NO_VERSION)])
    outcome = run_case(version, case, keys)
    if isinstance(outcome, Rejected):
        raise Mistakes(file, [_refusal(outcome, version, document)])
    for line in _lines(outcome, language):
        print(line)
    return isinstance(outcome, Result)


def _refusal(refusal: Rejected, version: ClauseVersion, document: Document[CaseDocument]) -> Mistake:
    """Where a refusal belongs: to the input it names, or else to the case, with the step it names."""
    name, _, party = refusal.field.partition(".")
    if name in {*version.inputs, *document.value.told}:
        return document.mistake(("told", name, *([party] if party else ())), *refusal.sentences)
    step = f"{refusal.field}: " if refusal.field else ""
    german, english = refusal.sentences
    return document.mistake((), f"{step}{german}", f"{step}{english}")


_NO_VERSION = (
    "Für diesen Fall gibt es keine Fassung der Klausel",
    "There is no version of the clause for this case",
)


def _lines(outcome: Outcome, language: Language) -> list[str]:
    german = language == "de"
    if isinstance(outcome, Held):
        return [("Zurückgestellt: " + outcome.german) if german else ("Held: " + outcome.english)]
    if isinstance(outcome, Rejected):
        return list(outcome.sentences)
    unit = Unit(outcome.version.currency, outcome.version.decimals)
    lines = [f"  {each.german if german else each.english}" for each in outcome.story]
    lines += ["", "Ergebnis:" if german else "Result:"]
    for step in outcome.version.steps:
        value = outcome.values[step.id]
        for party, part in value.parts.items():
            name = step.id if party == ONE else f"{step.id}.{party}"
            lines.append(f"  {name}: {told(part, value.kind, unit, language)}")
    if outcome.charges:
        lines += ["", "Forderungen:" if german else "Charges:"]
    for charged in outcome.charges:
        amount = told(Fraction(charged.amount), "money", unit, language)
        payee = f" → {charged.charge.payee}" if charged.charge.payee else ""
        lines.append(f"  {charged.charge.title} ({charged.charge.kind}): {charged.payer}{payee}: {amount}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
