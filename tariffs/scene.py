"""What a step of a cost clause can look at, and what it leaves behind."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from allmende.schemas.clause import Kind, Step

from .conditions import Values, operand
from .keys import Book
from .values import Scalar, Unit, Value, told


@dataclasses.dataclass(frozen=True)
class Scene:
    """Everything a step can look at.

    Attributes:
        values: of the inputs and of the steps before.
        parties: all who take part.
        span: the first and the last day of the period.
    """

    step: Step
    unit: Unit
    values: Values
    book: Book
    parties: Sequence[str]
    span: tuple[dt.date, dt.date]
    taking_part: Mapping[str, tuple[dt.date | None, dt.date | None]]

    def find(self, text: str) -> Value:
        """Find an operand."""
        return operand(text, self.values, self.unit)

    def say(self, part: Scalar, kind: Kind, language: str) -> str:
        """Write a part of a value."""
        return told(part, kind, self.unit, language)


Sentence = tuple[str, str, str]
"""A party (or all), and what is told of it in German and in English."""


@dataclasses.dataclass(frozen=True)
class Done:
    """A step's value, and how it came about."""

    value: Value
    story: tuple[Sentence, ...] = ()


def sentence(scene: Scene, party: str, german: str, english: str) -> Sentence:
    """A sentence that begins with the title of the step."""
    title = scene.step.title or scene.step.id
    return party, f"{title}: {german}", f"{title}: {english}"
