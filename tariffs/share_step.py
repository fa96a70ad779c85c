"""The step of a cost clause that shares an amount: ordered parts, keys, caps and floors, spare units."""

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction

from allmende.schemas.clause import Group, Part, Share
from allmende.schemas.rejections import Rejected, rejected

from .conditions import members_of
from .keys import NotYet, Weights, prorated, weigh
from .rounding import share_out, to_multiple
from .scene import Done, Scene, Sentence, sentence
from .sharing import Allotment, Bounds, allot
from .values import each_of, number_text


def share(work: Share, scene: Scene) -> Done | NotYet | Rejected:
    """Share an amount by a key, or in ordered parts."""
    amount = scene.find(work.amount).total
    if amount.denominator != 1:
        exact = scene.unit.text(amount, "en")
        return rejected("not_whole", scene.step.id, step=scene.step.id, amount=exact)
    parts = work.parts or (Part(rest=True, by=work.by, among=work.among),)
    sums: dict[str, Fraction] = {}
    story: list[Sentence] = []
    for part, cents in zip(parts, _cut(parts, int(amount), scene), strict=True):
        shared = _part(work, part, cents, scene)
        if not isinstance(shared, _Shared):
            return shared
        for party, allotment in shared.allotments.items():
            sums[party] = sums.get(party, Fraction(0)) + allotment.amount
        story += shared.story
    return Done(each_of("money", sums), tuple(story))


def _cut(parts: Sequence[Part], amount: int, scene: Scene) -> list[int]:
    """Cut an amount into its parts, exactly: fixed amounts first, then percentages, then the rest."""
    left = amount
    fixed = {}
    for number, part in enumerate(parts):
        if part.amount is not None:
            wanted = int(to_multiple(scene.find(part.amount).total, Fraction(1), "nearest"))
            # Nobody bears more of a cost than there is.
            fixed[number] = min(wanted, left) if amount >= 0 else max(wanted, left)
            left -= fixed[number]
    percents = {
        f"{number:04d}": Fraction(part.percent)
        for number, part in enumerate(parts)
        if part.percent is not None
    }
    missing = 100 - sum(percents.values(), Fraction(0))
    rest = next((number for number, part in enumerate(parts) if part.rest), None)
    if rest is not None:
        percents[f"{rest:04d}"] = missing
    cut = share_out(left, percents) if percents else {}
    cents = fixed | {int(number): share for number, share in cut.items()}
    return [cents[number] for number in range(len(parts))]


@dataclasses.dataclass(frozen=True)
class _Shared:
    allotments: Mapping[str, Allotment]
    story: tuple[Sentence, ...]


def _part(work: Share, part: Part, cents: int, scene: Scene) -> _Shared | NotYet | Rejected:
    german, english = (scene.unit.text(Fraction(cents), language) for language in ("de", "en"))
    if part.to is not None:
        told = sentence(scene, part.to, f"{part.to} trägt {german}", f"{part.to} bears {english}")
        return _Shared({part.to: Allotment(cents, Fraction(cents))}, (told,))
    weights = weights_of(str(part.by), part.among, work, scene)
    if not isinstance(weights, Weights):
        return weights
    if not cents:
        return _Shared({party: Allotment(0, Fraction(0)) for party in weights.by_party}, ())
    unit = int(scene.unit.smallest(work.round_to)) if work.round_to is not None else 1
    found = allot(cents, weights.by_party, _bounds(work, weights, scene), unit=unit, remainder=work.remainder)
    if isinstance(found, Rejected):
        parameters = {
            name: scene.unit.text(Fraction(amount), "en") if isinstance(amount, int) else amount
            for name, amount in found.parameters.items()
        }
        return dataclasses.replace(found, field=scene.step.id, parameters=parameters)
    told_ = (_told_share(party, allotment, weights, cents, work, scene) for party, allotment in found.items())
    return _Shared(found, tuple(told_))


def weights_of(key: str, among: Group | None, work: Share, scene: Scene) -> Weights | NotYet | Rejected:
    """Find by what those who share are measured."""
    named: list[str] | None = None
    if among is not None:
        everybody = list(scene.parties)
        if among.parties is None:
            all_ = weigh(key, scene.book, scene.values, scene.unit, None, scene.parties)
            if not isinstance(all_, Weights):
                return all_
            everybody = list(all_.by_party)
        named = members_of(among, everybody, scene.values, scene.unit)
    weights = weigh(key, scene.book, scene.values, scene.unit, named, scene.parties)
    if isinstance(weights, Weights) and work.prorate != "none":
        return prorated(weights, scene.span, scene.taking_part, work.prorate)
    return weights


def _bounds(work: Share, weights: Weights, scene: Scene) -> Bounds:
    def limits(text: str | None) -> dict[str, Fraction]:
        if text is None:
            return {}
        value = scene.find(text)
        return {
            party: value.number(party) for party in weights.by_party if not value.each or party in value.parts
        }

    return Bounds(limits(work.caps), limits(work.floors), work.over_cap == "redistribute")


def _told_share(  # noqa: PLR0913 - what the sentence tells
    party: str, allotment: Allotment, weights: Weights, cents: int, work: Share, scene: Scene
) -> Sentence:
    weight = weights.by_party.get(party, Fraction(0))

    def tell(language: str) -> str:
        whole, own = _weight_text(weights.whole, language), _weight_text(weight, language)
        amount = scene.unit.text(Fraction(cents), language)
        share_ = scene.unit.text(Fraction(allotment.amount), language)
        title = weights.title_de if language == "de" else weights.title_en
        of = "von" if language == "de" else "of"
        text = f"{party}: {own} {of} {whole}, {title}, {of} {amount} = {share_}"
        return text + _why(allotment, work, language)

    return sentence(scene, party, tell("de"), tell("en"))


def _weight_text(weight: Fraction, language: str) -> str:
    """Weights by days of participation are fractions, of which a reader needs the first digits."""
    text = number_text(weight, language)
    return text if "/" not in text else f"≈ {number_text(Fraction(round(weight * 10**4), 10**4), language)}"


def _why(allotment: Allotment, work: Share, language: str) -> str:
    reasons = []
    if allotment.limit == "cap":
        reasons.append({"de": "Obergrenze", "en": "cap"}[language])
    if allotment.limit == "floor":
        reasons.append({"de": "Untergrenze", "en": "floor"}[language])
    if allotment.extra and work.remainder is not None:
        reasons.append({"de": "übernimmt den Rest der Rundung", "en": "takes what rounding leaves"}[language])
    elif allotment.extra:
        point = "," if language == "de" else "."
        rest = f"0{point}{int(abs(allotment.exact) % 1 * 10**4):04d}"
        reasons.append(
            {
                "de": f"davon {allotment.extra} Resteinheit, weil der Rest {rest} zu den größten gehört",
                "en": f"{allotment.extra} spare unit of it, as the remainder {rest} is among the largest",
            }[language]
        )
    return f" ({'; '.join(reasons)})" if reasons else ""
