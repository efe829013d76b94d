"""From flags to a Config: recipes overridden, bad values refused, names and hashes that stay."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from tests.runs import configure, parsed
from tf_tickets import Ticket, config
from tf_tickets.data import Recipe

FIXED = config.Config(
    method="hybrid",
    sparsity=0.98,
    ratios="smart",
    family=None,
    classifier_keep=0.3,
    rewind_epoch=None,
    rounding="exact",
    seed=0,
    dataset="cifar10",
    data_fingerprint="0123456789abcdef",
    validation_fraction=0.0,
    image_size=None,
    recipe=Recipe(model="resnet32", epochs=160, augment=True),
    replicas=1,
    threads=2,
)


def test_hashes_stay():
    """None of these should change: finished runs are found by them."""
    assert config.digest(FIXED.identity) == "09d27f947d"
    assert config.digest(FIXED.dense_identity) == "e6e9242e4e"


def test_places_and_exports_do_not_name_a_run():
    elsewhere = dataclasses.replace(FIXED, run_dir="x", dense_dir="y", data_dir="z", export=("keras",))
    assert elsewhere.identity == FIXED.identity


@pytest.mark.parametrize(
    ("field", "value"), [("method", "lt"), ("sparsity", 0.9), ("rounding", "reference"), ("ratios", "global")]
)
def test_what_only_the_ticket_depends_on_shares_the_dense_training(field, value):
    other = dataclasses.replace(FIXED, **{field: value})
    assert other.dense_identity == FIXED.dense_identity
    assert config.digest(other.identity) != config.digest(FIXED.identity)


def test_json_round_trip():
    assert config.Config.from_json(json.loads(json.dumps(FIXED.to_json()))) == FIXED


def test_the_dataset_brings_its_recipe_and_flags_override_it():
    settings, dataset = configure("--epochs=7", "--milestones=0.5,5", "--nonesterov", "--weight_decay=0")
    assert settings.recipe == dataclasses.replace(
        dataset.recipe, epochs=7, milestones=(0.5, 5), nesterov=False, weight_decay=0.0
    )


def test_defaults():
    settings, _ = configure()
    assert (settings.method, settings.sparsity, settings.dataset) == ("hybrid", 0.98, "digits")
    assert pathlib.Path(settings.run_dir).parent == pathlib.Path("runs")
    assert pathlib.Path(settings.dense_dir).parent.name == "dense"
    dense, _ = configure("--method=dense")
    assert dense.sparsity == 0
    rewound, _ = configure("--method=weight_rewinding", "--epochs=30")
    assert rewound.rewind_epoch == 3


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["--method=lt"], 1.0),
        (["--method=lt", "--ratios=smart"], None),
        (["--method=hybrid", "--ratios=global"], None),
        (["--method=lt", "--ratios=smart", "--classifier_keep=0.5"], 0.5),
        (["--method=lt", "--classifier_keep=ranked"], None),
        (["--method=lt", "--classifier_keep=method"], 1.0),
        (["--method=hybrid", "--ratios=global", "--classifier_keep=method"], None),
    ],
)
def test_overridden_ratios_come_without_the_methods_share_of_the_classifier(arguments, kept):
    assert configure(*arguments)[0].classifier_keep == kept


@pytest.mark.parametrize("flag", ["--ticket=nowhere.npz", "--ratios=ticket:nowhere.npz"])
def test_a_ticket_that_is_not_there(flag):
    with pytest.raises(FileNotFoundError, match=r"No ticket at nowhere.npz"):
        configure(flag)


def test_fields_at_their_defaults_do_not_name_a_run():
    """So that a release which adds a flag keeps the names of the runs before it."""
    assert not {"score", "rounds", "min_keep", "score_options", "ticket_sha256"} & FIXED.identity.keys()
    for field, value in [
        ("rounds", 3),
        ("min_keep", 1),
        ("redistribute", False),
        ("score_options", {"a": 1}),
    ]:
        changed = dataclasses.replace(FIXED, **{field: value})
        assert changed.identity == {**FIXED.identity, field: value}
        assert changed.dense_identity == FIXED.dense_identity


def test_defaults_of_scoring_data():
    settings, _ = configure("--method=snip")
    assert (settings.samples_per_class, settings.scoring_batches, settings.augment_scoring) == (10, 1, False)
    assert configure("--method=random")[0].samples_per_class is None
    settings, _ = configure("--method=obd", "--samples_per_class=5", "--scoring_batches=4")
    assert (settings.samples_per_class, settings.scoring_batches) == (5, 4)


def test_scores_ratios_and_rounds_of_ones_own():
    settings, _ = configure(
        "--method=grasp",
        "--score_options=temperature=1.5,halves=false,loss=null",
        "--rounds=7",
        "--min_keep=3",
    )
    assert settings.score_options == {"temperature": 1.5, "halves": False, "loss": None}
    assert (settings.rounds, settings.trained_rounds, settings.min_keep) == (7, 1, 3)
    settings, _ = configure("--method=lt", "--rounds=4", "--score=tests.pruning.nets:magnitudes")
    assert (settings.trained_rounds, settings.row.score) == (4, "tests.pruning.nets:magnitudes")
    assert len(settings.score_code) == 16
    settings, _ = configure("--method=random", "--ratios=1,0.5,0.25", "--sparsity=0.9")
    assert settings.ratios == (1.0, 0.5, 0.25)
    assert config.Config.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_a_ticket_brings_its_method_and_sparsity(tmp_path):
    path = tmp_path / "ticket.npz"
    Ticket((np.arange(10) < 3,), ("w",), {"method": "lt"}).save(path)
    settings, _ = configure(f"--ticket={path}")
    assert (settings.method, settings.sparsity, settings.pretrains) == ("lt", 0.7, False)
    settings, _ = configure(f"--ticket={path}", "--method=lr_rewinding")
    assert (settings.method, settings.pretrains) == ("lr_rewinding", True)
    moved = tmp_path / "moved.npz"
    path.rename(moved)
    assert configure(f"--ticket={moved}", "--method=lr_rewinding")[0].identity == settings.identity
    Ticket((np.arange(10) < 3,), ("w",)).save(path)
    with pytest.raises(ValueError, match=r"--rounding=exact is for drawing a ticket"):
        configure(f"--ticket={path}", "--method=lt", "--rounding=exact")
    with pytest.raises(ValueError, match=r"was found by no method that is known: say by --method="):
        configure(f"--ticket={path}")
    with pytest.raises(ValueError, match=r"--rounds=2 is for drawing a ticket, and --ticket=.* brings one"):
        configure(f"--ticket={path}", "--method=lt", "--rounds=2")


def test_changed_data_is_another_config():
    _, dataset = configure()
    train = dataset.splits["train"]
    images = train.images.copy()
    images[0, 0, 0, 0] += 1
    changed = dataset.replace("train", type(train)(images, train.labels))
    assert changed.fingerprint != dataset.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method=hybird"], "hybird.*dense, random"),
        (["--sparsity=1"], "1.0"),
        (["--sparsity=-0.1"], "-0.1"),
        (["--sparsity=nan"], "nan"),
        (["--method=dense", "--sparsity=0.5"], "keeps every weight"),
        (["--method=dense", "--ratios=smart"], "only for a method that prunes"),
        (["--ratios=clever"], "clever.*global, smart"),
        (["--rewind_epoch=3"], "rewinds to an epoch"),
        (["--method=weight_rewinding", "--rewind_epoch=30"], "30 is not one of the 30"),
        (["--method=weight_rewinding", "--rewind_epoch=-1"], "-1 is out of range"),
        (["--method=lt", "--ratio_family=vgg"], "smart ratios"),
        (["--method=uniform", "--classifier_keep=0.5"], "global or smart"),
        (["--classifier_keep=2"], "fraction"),
        (["--classifier_keep=ranked"], "fraction"),
        (["--export=coreml"], "coreml.*saved_model"),
        (["--quantize=int8"], "--quantize=int8 means nothing to --export=saved_model: it is for litert"),
        (
            ["--export=keras", "--kernels=auto"],
            "--kernels=auto means nothing to --export=keras: .*saved_model",
        ),
        (["--seed=-1"], "-1"),
        (["--threads=0"], "0"),
        (["--dataset=cifar11"], "cifar11"),
        (["--epochs=0"], "epochs"),
        (["--milestones=soon"], "soon"),
        (["--lr_decay=0"], "lr_decay"),
        (["--width=-1"], "width"),
        (["--optimizer=adam", "--momentum=0.5"], "momentum.*sgd"),
        (["--optimizer=adam", "--weight_decay=0.1"], "weight_decay.*adamw"),
        (["--schedule=cosine", "--milestones=0.5"], "milestones.*--schedule=milestones"),
        (["--min_learning_rate=0.01"], "min_learning_rate.*cosine"),
        (["--milestones=80,120"], "80 lies beyond the 30 epochs"),
        (["--run_dir=x", "--dense_dir=x"], "two directories"),
        (["--validation_fraction=0.9"], "0.9"),
        (
            ["--score=snop"],
            "score='snop' is unknown. Did you mean snip. Choose one of: random, magnitude, snip",
        ),
        (["--score=no_such_file:mine"], "no_such_file has no mine to import"),
        (["--method=dense", "--score=snip"], "--score=snip is only for a method that prunes"),
        (["--method=snip", "--score_options=temperature=1"], "score_options: Unknown option temperature"),
        (["--method=grasp", "--score_options=temperature"], "takes name=value. Received: 'temperature'"),
        (["--method=dense", "--score_options=a=1"], "prunes"),
        (["--ratios=1,0.5,0.2"], "--ratios=1,0.5,0.2 are proportions, scaled to --sparsity: say that too"),
        (["--method=dense", "--rounding=reference"], "--rounding=reference is only for a method that prunes"),
        (["--ratios=0.5,x"], "0.5,x is unknown.*a number for each layer, or ticket:FILE"),
        (["--method=lt", "--noredistribute"], "only for a method that uses ratios of layers"),
        (["--method=hybrid", "--sampling=bernoulli"], "only for a method that draws random masks"),
        (["--method=random", "--ratios=global", "--sampling=bernoulli"], "draws random masks by ratios"),
        (["--method=random", "--samples_per_class=10"], "only for a method that scores on data"),
        (["--method=synflow", "--augment_scoring"], "only for a method that scores on data"),
        (["--method=random", "--rounds=3"], "only for a method that gains by rounds"),
        (["--method=magnitude", "--rounds=3"], "only for a method that gains by rounds"),
        (["--rounds=0"], "--rounds=0 is out of range: it is a whole number, 1 or more"),
        (["--min_keep=-1"], "--min_keep=-1 is out of range"),
        (["--method=snip", "--samples_per_class=0"], "--samples_per_class=0 is out of range"),
        (["--method=snip", "--augment_scoring"], "digits has no augmentation"),
        (["--ticket=nowhere.npz", "--method=lt", "--sparsity=0.9"], "is for drawing a ticket, and --ticket="),
    ],
)
def test_bad_values_are_refused_with_the_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        configure(*arguments)


def test_every_flag_of_a_run_is_in_a_group_with_help():
    with parsed() as values:
        groups = values.flags_by_module_dict()
        for group in config.GROUPS:
            assert groups[group]
            assert all(flag.help for flag in groups[group])
