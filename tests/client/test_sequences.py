from hypothesis import given
from hypothesis import strategies as st

from allmende.client.sequences import Gap, Sequences


def test_the_first_number_of_an_instance_is_taken_as_it_is() -> None:
    assert Sequences().see("catalog-1", "weser-it", 400) is None


def test_numbers_in_a_row_have_no_gap() -> None:
    sequences = Sequences()
    assert [sequences.see("catalog-1", "weser-it", number) for number in (1, 2, 3)] == [None] * 3


def test_what_is_missing_is_told_once_with_both_ends() -> None:
    sequences = Sequences()
    sequences.see("catalog-1", "weser-it", 1)
    assert sequences.see("catalog-1", "weser-it", 5) == Gap("catalog-1", "weser-it", 2, 4)
    assert sequences.see("catalog-1", "weser-it", 6) is None


def test_a_redelivery_says_nothing_and_forgets_nothing() -> None:
    sequences = Sequences()
    for number in (1, 2, 3):
        sequences.see("catalog-1", "weser-it", number)
    assert sequences.see("catalog-1", "weser-it", 1) is None
    assert sequences.see("catalog-1", "weser-it", 4) is None


def test_instances_and_audiences_count_for_themselves() -> None:
    sequences = Sequences()
    sequences.see("catalog-1", "weser-it", 1)
    assert sequences.see("catalog-2", "weser-it", 7) is None
    assert sequences.see("catalog-1", "everyone", 9) is None
    assert sequences.see("catalog-1", "weser-it", 2) is None


@given(st.lists(st.integers(1, 60), unique=True, min_size=1).map(sorted))
def test_gaps_and_numbers_seen_cover_everything(numbers: list[int]) -> None:
    sequences = Sequences()
    gaps = [gap for number in numbers if (gap := sequences.see("p", "a", number))]
    told = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
    assert told | set(numbers) == set(range(numbers[0], numbers[-1] + 1))
    assert told.isdisjoint(numbers)
