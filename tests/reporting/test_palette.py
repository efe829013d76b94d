"""The colours: those of checks come from their rows, and no two are alike."""

import dataclasses
import itertools

import pytest

from tf_tickets.reporting import palette
from tf_tickets.reporting.check_shades import HUES, check_colours
from tf_tickets.sanity import CHECKS


def more(place, number):
    """The table with so many further checks of a place."""
    row = dataclasses.replace(CHECKS["invert"], place=place)
    return {**CHECKS, **{f"mine_{i}": row for i in range(number)}}


def light(checks):
    """Check -> its colour on light."""
    return {name: pair[0] for name, (_, pair) in check_colours(checks).items()}


def test_every_check_has_a_colour():
    assert list(check_colours(CHECKS)) == list(CHECKS)
    assert palette.check_colour("no_check_of_ours") == palette.COLOURS["unknown"]


def test_the_checks_of_the_paper_keep_their_colours():
    assert {name: palette.check_colour(name) for name in CHECKS} == {
        "random_labels": "#08468b",
        "random_pixels": "#2d7dbb",
        "corrupted": "#66a9d4",
        "half_dataset": "#9dc9e4",
        "half_dataset_in_order": "#c8e0f0",
        "corrupted_positions": "#1a62a3",
        "corrupted_ratios": "#4a93c8",
        "corrupted+rearrange": "#82b9dc",
        "rearrange": "#8c2f07",
        "shuffle_weights": "#d24a07",
        "shuffle_weights_but_classifier": "#ee7c2b",
        "reinitialize": "#f9a964",
        "rearrange+reinitialize": "#fbcfa3",
        "rearrange_per_input": "#af3c07",
        "rearrange_per_output": "#e06319",
        "rearrange_per_input_and_output": "#f49248",
        "invert": "#7a6fb0",
    }


@pytest.mark.parametrize("place", HUES)
@pytest.mark.parametrize("number", [1, 2, 7, 30])
def test_a_new_check_gets_a_shade_of_its_place_and_the_others_keep_theirs(place, number):
    before, after = light(CHECKS), light(more(place, number))
    assert before.items() <= after.items()
    ends = [shade[0] for shade in HUES[place]]
    for name in after.keys() - before.keys():
        for channel, low, high in channels(after[name], ends):
            assert low <= channel <= high


@pytest.mark.parametrize("place", HUES)
def test_shades_differ_also_where_there_are_more_checks_than_shades(place):
    colours = check_colours(more(place, 30)).values()
    fixed = [name for name in palette.COLOURS if name not in dict(check_colours(CHECKS).values())]
    for mode, others in ((0, palette.COLOURS), (1, palette.DARK)):
        shades = [pair[mode] for _, pair in colours]
        assert len(set(shades)) == len(shades) == len(CHECKS) + 30
        assert not set(shades) & {others[name] for name in fixed}
    names = [name for name, _ in colours]
    assert len(set(names)) == len(names)


def test_the_colours_of_a_drawing_can_be_told_apart():
    assert all(one != other for one, other in itertools.combinations(palette.COLOURS.values(), 2))


def channels(colour, ends):
    """Of red, green and blue: the colour's, the least and the most of the ends'."""
    for i in (1, 3, 5):
        of_ends = [int(end[i : i + 2], 16) for end in ends]
        yield int(colour[i : i + 2], 16), min(of_ends), max(of_ends)
