"""The table of sanity checks: one contract for every row, and what each says of each method."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.runs import configure, parsed
from tf_tickets import METHODS, Ticket, config, data
from tf_tickets.programs import run as command
from tf_tickets.sanity import CHECKS, Check
from tf_tickets.sanity.checks import CLAIMS, NO_CHECK, check_row, claim_of

ROOT = pathlib.Path(__file__).parents[2]
DATA = ("random_labels", "random_pixels", "corrupted", "half_dataset", "half_dataset_in_order")
RATIOS = ("corrupted_positions", "corrupted_ratios", "corrupted+rearrange")
TICKET = (
    "rearrange",
    "shuffle_weights",
    "shuffle_weights_but_classifier",
    "reinitialize",
    "rearrange+reinitialize",
    "rearrange_per_input",
    "rearrange_per_output",
    "rearrange_per_input_and_output",
)

# What can be asked of each method. A random ticket at the initialisation has nothing to lose.
NO_LABELS = [x for x in DATA if x not in ("random_labels", "half_dataset_in_order")]
ASKED = {
    "dense": (),
    **dict.fromkeys(("random", "uniform", "er", "erk", "balanced", "pyramidal"), ()),
    **dict.fromkeys(("magnitude", "synflow"), (*TICKET, "invert")),
    # The order of the examples is about dense training.
    **dict.fromkeys(
        ("snip", "grasp"), (*(x for x in DATA if x != "half_dataset_in_order"), *RATIOS, *TICKET, "invert")
    ),
    **dict.fromkeys(
        ("lt", "weight_rewinding", "lr_rewinding", "obd", "finetune"), (*DATA, *RATIOS, *TICKET, "invert")
    ),
    # Its smart ratios are the same on any data.
    "hybrid": (*DATA, *TICKET, "invert"),
    # The dense network is given, and not retrained: the data are those that it is pruned on, without labels.
    "sparsegpt": (*NO_LABELS, *(x for x in TICKET if CHECKS[x].weights is None), "invert"),
    # In its pattern counts of inputs are not kept.
    "wanda": (*NO_LABELS, "rearrange", "invert"),
    # Their masks move while they train on clean data: there is nothing before to attack.
    **dict.fromkeys((name for name, row in METHODS.items() if row.search is not None), ()),
}

every_check = pytest.mark.parametrize("name", CHECKS)


def reason(*arguments):
    """Why a check can say nothing; None where it can."""
    with parsed(*arguments) as values:
        return config.says_nothing(values)


class TestEveryRow:
    @every_check
    def test_changes_one_place_of_the_story(self, name):
        row = CHECKS[name]
        changes = {
            "data": row.data is not None or row.counts_under is not None,
            "scores": row.inverts,
            "ticket": any(x is not None for x in (row.masks, row.channel_masks, row.weights)),
        }
        places = [place for place, changed in changes.items() if changed]
        assert places == (["data", "ticket"] if name == "corrupted+rearrange" else [row.place])
        assert row.place == places[0]
        assert row.place == "data" or not row.in_order

    @every_check
    def test_is_a_test_of_one_claim(self, name):
        assert CHECKS[name].claim in CLAIMS
        assert claim_of(name) == CHECKS[name].claim

    @every_check
    def test_has_the_data_that_it_says_it_shares(self, name):
        row = CHECKS[name]
        if row.data_under is not None:
            assert row.data is CHECKS[row.data_under].data and CHECKS[row.data_under].data_under is None

    @every_check
    def test_says_in_a_line_what_it_changes_and_what_it_asks(self, name):
        row = CHECKS[name]
        for text in (row.about, row.asks):
            assert text and text[0].islower() and "\n" not in text and not text.endswith(".")
        assert len(row.about) < 110

    @every_check
    def test_is_found_by_its_name_also_in_the_help(self, name):
        assert check_row(name) is CHECKS[name]
        with parsed() as values:
            assert name in values["sanity_check"].help

    @pytest.mark.slow
    @every_check
    def test_names_its_run_and_nothing_else_does(self, name, tmp_path):
        checked, _ = configure("--method=lt", f"--sanity_check={name}")
        plain, _ = configure("--method=lt")
        assert checked.check is CHECKS[name] and plain.check is NO_CHECK
        assert checked.identity == {**plain.identity, "sanity_check": name}
        assert f"-lt-0.98-{name}-seed0-" in config.run_name(checked)
        assert config.Config.from_json(checked.to_json()) == checked

    @pytest.mark.parametrize("name", DATA)
    def test_of_the_data_changes_the_training_split_only(self, name):
        dataset = data.load("digits", validation_fraction=0.1)
        before = {split: (x.images.copy(), x.labels.copy()) for split, x in dataset.splits.items()}
        made = CHECKS[name].data(dataset, 0, 64)
        for split, (images, labels) in before.items():
            np.testing.assert_array_equal(dataset.splits[split].images, images)
            np.testing.assert_array_equal(dataset.splits[split].labels, labels)
        assert made.splits["test"] is dataset.splits["test"]
        assert made.splits["validation"] is dataset.splits["validation"]
        train = made.splits["train"]
        images, labels = before["train"]
        same = len(train) == len(images) and (train.images == images).all() and (train.labels == labels).all()
        assert not same


NULL = "rearrange+reinitialize"


def test_the_table_is_what_is_told_of_here():
    assert list(CHECKS) == [*DATA, *RATIOS, *TICKET, "invert"]


def test_claims_make_families():
    families = {claim: [name for name in CHECKS if claim_of(name) == claim] for claim in CLAIMS}
    assert families == {
        "data": list(DATA),
        "ratios": list(RATIOS),
        "connections": [name for name in TICKET if name.startswith("rearrange") and name != NULL],
        "weights": [name for name in TICKET if not name.startswith("rearrange")],
        "control": [NULL, "invert"],
    }


def test_a_check_of_ones_own_is_a_family_of_its_own(monkeypatch):
    monkeypatch.setitem(CHECKS, "mine", Check(about="x", asks="y", place="ticket", masks=list))
    monkeypatch.setitem(CHECKS, "other", Check(about="x", asks="y", place="ticket", masks=list, claim="mine"))
    assert claim_of("mine") == claim_of("other") == "mine"


@pytest.mark.slow
def test_reading_the_table_loads_no_tensorflow():
    program = "import sys; import tf_tickets.sanity.checks; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_no_check_changes_nothing():
    plain = Check(about=NO_CHECK.about, asks=NO_CHECK.asks, place="nothing")
    assert plain == NO_CHECK and not plain.prunes_on_other_data and plain.masks is plain.weights is None


class TestWhatIsAsked:
    def test_is_told_of_every_method(self):
        assert sorted(ASKED) == sorted(METHODS)

    @pytest.mark.parametrize("method", METHODS)
    def test_of_each_method_by_each_check(self, method):
        found = [name for name in CHECKS if reason(f"--method={method}", f"--sanity_check={name}") is None]
        assert found == list(ASKED[method])

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--method=dense", "--sanity_check=invert"], "the method keeps every weight"),
            (["--method=random", "--sanity_check=corrupted"], "the method looks at no data"),
            (["--method=synflow", "--sanity_check=half_dataset"], "the method looks at no data"),
            (["--method=erk", "--sanity_check=invert"], "the scores are random, and inverted they are ra"),
            (["--method=erk", "--sanity_check=rearrange"], "masks and weights are random and independent"),
            (["--method=erk", "--sanity_check=reinitialize"], "masks and weights are random and independent"),
            # Random masks on trained weights: these are something to lose, the masks are not.
            (["--method=hybrid", "--score=random", "--sanity_check=rearrange"], "the masks are random alrea"),
            (["--method=hybrid", "--score=random", "--sanity_check=rearrange+reinitialize"], None),
            (["--method=hybrid", "--score=random", "--sanity_check=shuffle_weights"], None),
            (["--method=hybrid", "--score=random", "--sanity_check=corrupted"], None),
            (["--method=hybrid", "--score=random", "--sanity_check=invert"], "the scores are random"),
            # Random masks, and weights back at the initialisation: dense training leaves no trace in them.
            (["--method=lt", "--score=random", "--sanity_check=corrupted"], "the method looks at no data"),
            (
                ["--method=hybrid", "--sanity_check=corrupted_ratios"],
                "how many weights each layer keeps does",
            ),
            (["--method=hybrid", "--ratios=global", "--sanity_check=corrupted_ratios"], None),
            (
                ["--method=snip", "--ratios=erk", "--sanity_check=corrupted_positions"],
                "how many weights each",
            ),
            (["--method=synflow", "--sanity_check=corrupted_ratios"], "the method looks at no data"),
            (
                ["--method=lr_rewinding", "--score=random", "--sanity_check=corrupted_ratios"],
                "the scores are random, and so are the counts",
            ),
            # The score decides, not the name of the row.
            (["--method=snip", "--score=synflow", "--sanity_check=corrupted"], "the method looks at no data"),
            (["--method=synflow", "--score=snip", "--sanity_check=corrupted"], None),
            (["--method=random", "--score=magnitude", "--sanity_check=rearrange"], None),
            (["--method=snip", "--score=tests.pruning.nets:magnitudes", "--sanity_check=corrupted"], None),
            # Labels are none of its business; those of the dense training are the method's that retrains.
            (["--method=wanda", "--sanity_check=random_labels"], "the method looks at no labels"),
            (["--method=finetune", "--score=wanda", "--sanity_check=random_labels"], None),
            (
                ["--method=snip", "--score=wanda", "--sanity_check=random_labels"],
                "the method looks at no lab",
            ),
            (["--method=wanda", "--score=snip", "--sanity_check=random_labels"], None),
            (["--method=wanda", "--score=magnitude", "--sanity_check=corrupted"], "the method looks at"),
            # What makes up for removed weights looks at the data, whoever chose them.
            (["--method=sparsegpt", "--score=magnitude", "--sanity_check=corrupted"], None),
            (["--method=sparsegpt", "--score=magnitude", "--sanity_check=random_labels"], "the method looks"),
            (["--method=wanda", "--sanity_check=half_dataset_in_order"], "it is about the dense training"),
            (["--method=wanda", "--sanity_check=reinitialize"], "nothing is retrained"),
            (["--method=wanda", "--ratios=global", "--sanity_check=corrupted_ratios"], None),
        ],
    )
    def test_where_it_is_nothing_there_is_a_reason(self, arguments, expected):
        found = reason(*arguments)
        assert found == expected or (expected and found.startswith(expected))

    @pytest.mark.parametrize("name", CHECKS)
    def test_of_a_ticket_from_a_file_only_what_can_be_done_to_it(self, name, tmp_path):
        path = tmp_path / "ticket.npz"
        Ticket((np.arange(10) < 3,), ("w",), {"method": "lt"}).save(path)
        found = reason(f"--ticket={path}", f"--sanity_check={name}")
        if name in TICKET:
            assert found is None
        else:
            assert found == f"--ticket={path} was drawn before, and {name} changes the drawing"


class TestDenseTraining:
    """A corruption of the data is one of the dense training, too; no other check is."""

    @pytest.mark.slow
    @every_check
    @pytest.mark.parametrize("method", ["lt", "lr_rewinding", "weight_rewinding", "obd"])
    def test_of_a_checked_method(self, method, name):
        plain, _ = configure(f"--method={method}")
        checked, _ = configure(f"--method={method}", f"--sanity_check={name}")
        other = CHECKS[name].data is not None
        assert (checked.dense_dir == plain.dense_dir) != other
        assert checked.pretrains_on_other_data == other

    @pytest.mark.slow
    @pytest.mark.parametrize("name", DATA)
    def test_on_other_data_is_shared_by_methods_and_sparsities(self, name):
        dense = {
            configure(f"--method={method}", f"--sparsity={sparsity}", f"--sanity_check={name}")[0].dense_dir
            for method in ("lt", "lr_rewinding", "hybrid")
            for sparsity in (0.9, 0.98)
        }
        assert len(dense) == 1

    @pytest.mark.slow
    def test_differs_from_one_corruption_to_the_other_and_from_seed_to_seed(self):
        arguments = [f"--sanity_check={name}" for name in DATA]
        dense = [configure("--method=lt", argument)[0].dense_dir for argument in arguments]
        dense.append(configure("--method=lt")[0].dense_dir)
        dense.append(configure("--method=lt", "--sanity_check=corrupted", "--seed=1")[0].dense_dir)
        assert len(set(dense)) == len(DATA) + 2

    @pytest.mark.parametrize("name", ("corrupted", "half_dataset"))
    def test_is_the_clean_one_where_the_network_is_only_pruned_on_other_data(self, name):
        checked, _ = configure("--method=wanda", f"--sanity_check={name}")
        assert checked.dense_dir == configure("--method=lt")[0].dense_dir
        assert not checked.pretrains_on_other_data and checked.retraining_epochs == range(0)

    def test_is_the_clean_one_by_name_where_the_method_has_none(self):
        checked, _ = configure("--method=snip", "--sanity_check=corrupted")
        assert checked.dense_dir == configure("--method=snip")[0].dense_dir
        assert not checked.pretrains_on_other_data


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["--sanity_check=corupted"],
                "--sanity_check=corupted is unknown. Did you mean corrupted? Cho",
            ),
            (["--sanity_check="], "--sanity_check= is unknown"),
            (["--sanity_check=none"], "--sanity_check=none is unknown"),
            (
                ["--method=random", "--sanity_check=rearrange"],
                "--sanity_check=rearrange says nothing here: masks and weights are random and independent",
            ),
            (
                ["--method=dense", "--sanity_check=invert"],
                "says nothing here: the method keeps every weight",
            ),
        ],
    )
    def test_are_one_line_before_data_are_read(self, arguments, message, capsys, monkeypatch):
        monkeypatch.setattr(command, "load_tensorflow", lambda threads: None)  # it is at work already
        with parsed("--dataset=npz:nowhere.npz", *arguments):
            assert command.main(["run"]) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        assert err.startswith("tf_tickets: ") and message in err

    def test_an_unknown_name_is_answered_by_all_that_there_are(self):
        with pytest.raises(ValueError) as caught:
            check_row("corupted")
        assert all(name in str(caught.value) for name in CHECKS)
