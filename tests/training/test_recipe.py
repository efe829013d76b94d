"""The training recipe: its defaults, its schedules, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest

from tf_tickets.data import Recipe


def recipe(**changes):
    return Recipe(**{"model": "resnet32", "epochs": 160, "augment": True, **changes})


def test_the_paper_drops_the_rate_at_epochs_80_and_120():
    rates = [recipe().learning_rate_at(epoch) for epoch in (0, 79, 80, 119, 120, 159)]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_a_milestone_below_one_is_a_fraction_and_any_other_an_epoch():
    fractions, epochs = recipe(milestones=(0.5, 0.75)), recipe(milestones=(80, 120))
    assert [fractions.learning_rate_at(e) for e in range(160)] == [
        epochs.learning_rate_at(e) for e in range(160)
    ]


def test_a_fraction_is_rounded_to_the_nearest_epoch():
    thirty = recipe(epochs=30)
    np.testing.assert_allclose(
        [thirty.learning_rate_at(epoch) for epoch in (14, 15, 21, 22)], [0.1, 0.01, 0.01, 0.001]
    )


def test_a_training_of_one_epoch_has_the_rate_itself():
    """Half of one epoch rounds to none, before which nothing drops."""
    assert recipe(epochs=1).learning_rate_at(0) == 0.1
    assert recipe(epochs=3, milestones=(0.1,)).learning_rate_at(0) == 0.1
    assert recipe(milestones=(0.0,)).learning_rate_at(0) == pytest.approx(0.01)  # that is asked for


def test_cosine_falls_from_the_rate_to_its_floor():
    cosine = recipe(schedule="cosine", epochs=10, learning_rate=0.2, min_learning_rate=0.02)
    rates = [cosine.learning_rate_at(epoch) for epoch in range(12)]
    np.testing.assert_allclose(rates[0], 0.2)
    np.testing.assert_allclose(rates[5], 0.11)
    np.testing.assert_allclose(rates[10:], 0.02)
    assert rates[:11] == sorted(rates[:11], reverse=True)


def test_constant_is_constant():
    assert {recipe(schedule="constant").learning_rate_at(e) for e in range(160)} == {0.1}


@pytest.mark.parametrize("schedule", ["milestones", "cosine", "constant"])
def test_warm_up_rises_linearly_to_the_rate(schedule):
    warm = recipe(schedule=schedule, warmup_epochs=4)
    rates = [warm.learning_rate_at(epoch) for epoch in range(4)]
    np.testing.assert_allclose(rates, [0.025, 0.05, 0.075, 0.1])
    assert warm.learning_rate_at(4) == 0.1


def test_cosine_falls_over_the_epochs_after_the_warm_up():
    """As the code of Soft Threshold Reparameterization: 0.13857 at epoch 50 of 100, 5 of them warm-up."""
    rates = recipe(schedule="cosine", epochs=100, learning_rate=0.256, warmup_epochs=5).learning_rate_at
    assert [rates(4), rates(5)] == [0.256, 0.256]
    assert rates(50) == pytest.approx(0.256 / 2 * (1 + np.cos(np.pi * 45 / 95)))
    assert rates(50) == pytest.approx(0.13857, abs=5e-6)
    assert rates(100) == rates(101) == 0


def test_a_training_that_is_all_warm_up_ends_at_the_floor():
    warm = recipe(schedule="cosine", epochs=2, warmup_epochs=2, min_learning_rate=0.01)
    assert [warm.learning_rate_at(epoch) for epoch in (1, 2)] == [0.1, 0.01]


def test_milestones_are_epochs_of_the_whole_training():
    """Warm-up included, as in Goyal et al., 2017; one within it is met at its end."""
    warm, cold = recipe(warmup_epochs=5), recipe()
    assert [warm.learning_rate_at(epoch) for epoch in range(5, 160)] == [
        cold.learning_rate_at(epoch) for epoch in range(5, 160)
    ]
    early = recipe(warmup_epochs=5, milestones=(3,))
    assert [early.learning_rate_at(epoch) for epoch in (4, 5)] == pytest.approx([0.1, 0.01])


def test_a_schedule_is_run_through_again_and_again():
    """Strong tickets: five levels of 100 epochs, each from the top of the rate, a tenth at 30, 60 and 90."""
    levels = recipe(epochs=500, cycles=5, milestones=(30, 60, 90))
    rates = [levels.learning_rate_at(epoch) for epoch in range(500)]
    np.testing.assert_allclose(rates[:100], [0.1] * 30 + [0.01] * 30 + [1e-3] * 30 + [1e-4] * 10)
    assert rates == rates[:100] * 5
    assert levels.learning_rate_at(500) == rates[-1]
    warm = recipe(epochs=20, cycles=2, schedule="cosine", warmup_epochs=2)
    assert [warm.learning_rate_at(epoch) for epoch in (0, 1, 10, 11, 12)] == [0.05, 0.1, 0.05, 0.1, 0.1]


def test_cycles_are_whole_and_name_a_run_only_where_there_are_several():
    assert recipe(cycles=1).identity == recipe().identity
    assert recipe(cycles=2).identity == {**recipe().identity, "cycles": 2}
    with pytest.raises(ValueError, match=r"cycles must be a divisor of the epochs, 160\. Received: 3"):
        recipe(cycles=3)
    with pytest.raises(ValueError, match=r"warmup_epochs must be at most the epochs of a cycle, 80\. .* 81"):
        recipe(cycles=2, warmup_epochs=81)


def test_label_smoothing_names_a_run_only_where_it_is_asked_for():
    """It came later, and earlier runs go on being found by their names."""
    named = recipe().identity
    assert "label_smoothing" not in named and recipe(label_smoothing=0.0).identity == named
    assert recipe(label_smoothing=0.1).identity == {**named, "label_smoothing": 0.1}


@pytest.mark.parametrize("field", ["width", "learning_rate", "weight_decay"])
def test_a_whole_number_of_any_length_is_refused(field):
    with pytest.raises(ValueError, match=f"The recipe's {field} must be a number"):
        recipe(**{field: 10**400})


def test_numbers_of_numpy_are_floats():
    assert recipe(learning_rate=np.float64(0.1)) == recipe(learning_rate=0.1)


def test_it_survives_json():
    stored = json.loads(json.dumps(dataclasses.asdict(recipe())))
    assert Recipe(**stored) == recipe()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("width", 0.0),
        ("width", float("nan")),
        ("width", 2**31),
        ("optimizer", ""),
        ("schedule", None),
        ("batch_size", 0),
        ("optimizer", None),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("learning_rate", "0.1"),
        ("momentum", 1.0),
        ("nesterov", 1),
        ("weight_decay", -1e-4),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("schedule", "linear"),
        ("milestones", (0.5, -1)),
        ("milestones", (1.5,)),
        ("milestones", 0.5),
        ("lr_decay", 0.0),
        ("lr_decay", 2.0),
        ("min_learning_rate", -0.1),
        ("min_learning_rate", 0.2),
        ("warmup_epochs", -1),
        ("warmup_epochs", 161),
        ("augment", None),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field) as error:
        recipe(**{field: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize("epoch", [-1, 0.5, float("nan"), "1"])
def test_there_is_no_rate_for_what_is_no_epoch(epoch):
    with pytest.raises(ValueError, match="epoch"):
        recipe().learning_rate_at(epoch)
