"""From flags to a Config: recipes overridden, bad values refused, names and hashes that stay."""

import dataclasses
import json
import pathlib

import pytest

from tests.runs import configure, parsed
from tf_tickets import config, exporting, pipeline, training
from tf_tickets.data import Recipe

FLAGFILES = sorted(pathlib.Path(__file__).parent.parent.glob("flags/**/*.cfg"))

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
    ],
)
def test_overridden_ratios_come_without_the_methods_share_of_the_classifier(arguments, kept):
    assert configure(*arguments)[0].classifier_keep == kept


def test_the_flags_offer_what_the_tables_have():
    """Listed twice, so that --help needs no TensorFlow."""
    assert set(config.EXPORTS) == set(exporting.FORMATS)
    assert set(config.OPTIMIZERS) == set(pipeline.OPTIMIZERS)
    assert set(config.STRATEGIES) == set(training.STRATEGIES)


def test_changed_data_is_another_config():
    _, dataset = configure()
    train = dataset.splits["train"]
    images = train.images.copy()
    images[0, 0, 0, 0] += 1
    changed = dataset.replace("train", type(train)(images, train.labels))
    assert config.fingerprint(changed) != config.fingerprint(dataset)


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
        (["--method=weight_rewinding", "--rewind_epoch=-1"], "-1 is not one of"),
        (["--method=lt", "--ratio_family=vgg"], "smart ratios"),
        (["--method=uniform", "--classifier_keep=0.5"], "global or smart"),
        (["--classifier_keep=2"], "fraction"),
        (["--classifier_keep=ranked"], "fraction"),
        (["--export=onnx"], "onnx.*saved_model"),
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
    ],
)
def test_bad_values_are_refused_with_the_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        configure(*arguments)


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda path: path.stem)
def test_every_flagfile_parses(path):
    with parsed(f"--flagfile={path}") as values:
        config.check_flags(values)


@pytest.mark.parametrize(
    "path", [x for x in FLAGFILES if x.parent.name == "paper"], ids=lambda path: path.stem
)
def test_the_papers_flagfiles_have_the_papers_settings(path):
    """Section 3 of the specification: batch 64, lr 0.1 dropped tenfold at 80 and 120 of 160 epochs."""
    with parsed(f"--flagfile={path}") as values:
        assert (values.epochs, values.batch_size, values.learning_rate) == (160, 64, 0.1)
        assert (values.milestones, values.momentum, values.weight_decay) == (["80", "120"], 0.9, 1e-4)
        assert values.augment and values.method == "hybrid" and values.width == 1.0


def test_flagfiles_exist():
    assert len(FLAGFILES) >= 5


def test_every_flag_of_a_run_is_in_a_group_with_help():
    with parsed() as values:
        groups = values.flags_by_module_dict()
        for group in config.GROUPS:
            assert groups[group]
            assert all(flag.help for flag in groups[group])
