"""The axes of a sweep: how their values are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_tickets.sweeps.axes import seeds_of


class TestSeeds:
    @pytest.mark.parametrize(
        ("texts", "seeds"),
        [
            (["0-2", "7"], "0 1 2 7"),
            (["7", "0-2"], "7 0 1 2"),
            (["5-5"], "5"),
            (["0"], "0"),
            (["007", "08-10"], "7 8 9 10"),
        ],
    )
    def test_are_numbers_and_ranges(self, texts, seeds):
        assert seeds_of(texts) == seeds.split()

    @given(st.integers(0, 1000), st.integers(0, 50))
    def test_a_range_has_both_its_ends(self, first, length):
        assert seeds_of([f"{first}-{first + length}"]) == [
            str(seed) for seed in range(first, first + length + 1)
        ]

    @pytest.mark.parametrize(
        "text", ["5-3", "-1", "1-", "-", "a", "0.5", "1e3", "0:3", "", "0--2", "²", "0x1"]
    )
    def test_other_texts_are_refused(self, text):
        with pytest.raises(ValueError, match="--seed"):
            seeds_of([text])
