"""The inventory digest: the same for the same holdings in any order, another for any others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import ManifestId
from protocol.inventory import inventory_digest

holdings = st.dictionaries(
    st.sampled_from([bytes([n]) * 32 for n in range(5)]).map(ManifestId),
    st.none() | st.binary(max_size=3),
)


@given(held=holdings, chosen=st.data())
def test_the_order_does_not_matter(
    held: dict[ManifestId, bytes | None], chosen: st.DataObject
) -> None:
    digest = inventory_digest(held.items())
    assert len(digest) == 32
    assert inventory_digest(iter(chosen.draw(st.permutations(list(held.items()))))) == digest


@given(one=holdings, two=holdings)
def test_other_holdings_have_another_digest(
    one: dict[ManifestId, bytes | None], two: dict[ManifestId, bytes | None]
) -> None:
    assert (inventory_digest(one.items()) == inventory_digest(two.items())) == (one == two)


@pytest.mark.parametrize("bits", [b"", b"\0", b"\1", b"\0\0\0\0\1x"])
def test_all_is_not_some(bits: bytes) -> None:
    manifest = ManifestId(b"m" * 32)
    assert inventory_digest([(manifest, None)]) != inventory_digest([(manifest, bits)])
    assert inventory_digest([]) != inventory_digest([(manifest, bits)])
