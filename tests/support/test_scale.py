"""How the numbers of a metric read."""

import pytest

from tf_tickets.support.scale import Scale, reached_by

ERROR = Scale("root_mean_squared_error", higher_is_better=False, unit="mmHg", margin=None)
R2 = Scale("r2", unit="", margin=0.01)


@pytest.mark.parametrize(
    ("scale", "words", "number", "difference", "margin", "words_of_change"),
    [
        (Scale(), "accuracy in per cent", "97.12", "-1.23 points", "1 point", ("drop", "gain")),
        (ERROR, "root mean squared error in mmHg", "0.9712", "-0.0123 mmHg", "0.01 mmHg", ("rise", "fall")),
        (R2, "r2", "0.9712", "-0.0123", "0.01", ("drop", "gain")),
    ],
)
def test_numbers_are_written_in_their_unit(scale, words, number, difference, margin, words_of_change):
    assert scale.words_with_unit == words
    assert scale.shown(0.97123) == number
    assert scale.with_unit_of_differences(scale.difference(-0.0123)) == difference
    assert scale.margin_words(0.01) == margin
    assert (scale.loss_word, scale.gain_word) == words_of_change


def test_less_of_an_error_is_better():
    assert (Scale().best([0.5, 0.9]), ERROR.best([57.0, 61.0])) == (0.9, 57.0)
    assert (Scale().gain(0.1), ERROR.gain(3.0)) == (0.1, -3.0)


@pytest.mark.parametrize("scale", [Scale(), ERROR, R2])
def test_a_result_notes_what_differs_from_accuracy(scale):
    assert Scale.of(scale.record) == scale
    assert bool(scale.record) == (scale != Scale())
    numbers = {**scale.record, f"test_{scale.metric}": 0.5}
    assert reached_by(numbers) == ("0.5000" if scale.is_share else "0.5 mmHg" if scale.unit else "0.5")


def test_a_margin_is_one_of_the_unit():
    assert [scale.checked_margin(None) for scale in (Scale(), R2, ERROR)] == [0.01, 0.01, None]
    assert ERROR.checked_margin(5.0) == 5.0
    for scale, margin in ((Scale(), 1.0), (Scale(), 0.0), (ERROR, -1.0), (ERROR, float("inf"))):
        with pytest.raises(ValueError, match=f"margin={margin} is out of range: of {scale.words}"):
            scale.checked_margin(margin)
