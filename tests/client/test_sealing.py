import base64

import pytest

from allmende.client.sealing import Sealed, key_pair_of, new_key_pair, seal, unseal

TEXT = "Benutzer: admin\nKennwort: süß & geheim 🔑"


def test_only_the_holder_of_the_private_key_opens_a_box() -> None:
    mine, other = new_key_pair(), new_key_pair()
    box = seal(TEXT, mine.public)
    assert unseal(box, mine.private) == TEXT
    with pytest.raises(Sealed):
        unseal(box, other.private)
    with pytest.raises(Sealed):
        unseal(box, mine.public)


def test_a_box_tells_nothing_and_is_never_the_same_twice() -> None:
    pair = new_key_pair()
    boxes = [seal(TEXT, pair.public) for _ in range(2)]
    assert boxes[0] != boxes[1]
    for box in boxes:
        assert b"geheim" not in base64.b64decode(box)


def test_a_damaged_box_stays_closed() -> None:
    pair = new_key_pair()
    raw = bytearray(base64.b64decode(seal(TEXT, pair.public)))
    for place in (0, 40, len(raw) - 1):
        damaged = raw.copy()
        damaged[place] ^= 1
        with pytest.raises(Sealed):
            unseal(base64.b64encode(damaged).decode(), pair.private)


@pytest.mark.parametrize("key", ["", "x", "AAAA", "ü" * 44, base64.b64encode(bytes(31)).decode()])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(Sealed):
        seal(TEXT, key)
    with pytest.raises(Sealed):
        unseal(seal(TEXT, new_key_pair().public), key)
    with pytest.raises(Sealed):
        key_pair_of(key)


def test_a_pair_comes_from_its_private_half_and_keeps_it_out_of_sight() -> None:
    pair = new_key_pair()
    assert key_pair_of(pair.private) == pair
    assert pair.private not in repr(pair)
