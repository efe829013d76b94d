"""A table of one's own from end to end: `npz:FILE` of rows and features, and perceptrons."""

import json

import numpy as np
import pytest

from tests.runs import configure, run
from tf_tickets import config


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two classes that only columns of small numbers tell apart; one of large numbers, and a constant."""
    rng = np.random.default_rng(0)
    x = np.stack(
        [rng.normal(0, 1e-3, 600), rng.normal(0, 1e-3, 600), rng.normal(5e4, 1e4, 600), np.ones(600)], axis=1
    )
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    path = tmp_path_factory.mktemp("table") / "table.npz"
    np.savez(path, x_train=x[:450], y_train=y[:450], x_test=x[450:], y_test=y[450:])
    return f"--dataset=npz:{path}"


@pytest.mark.slow
def test_a_random_mask_trains_on_a_table(table, tmp_path):
    result, screen = run(
        tmp_path / "run",
        *(table, "--model=mlp_bn_24", "--method=er", "--sparsity=0.5", "--epochs=6"),
        *("--optimizer=adam", "--learning_rate=0.01", "--schedule=constant", "--label_smoothing=0.8"),
    )
    assert result["kept"] == round(result["total"] * 0.5)
    assert result["total"] == 4 * 24 + 24 * 2
    assert result["test_accuracy"] > 0.85, screen
    # Of labels (0.6, 0.4) no loss is below their entropy; what is evaluated is the plain cross-entropy.
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] > 0.673 > result["test_loss"]


def test_label_smoothing_is_another_run_and_none_is_the_same(table):
    plain, none, some = (
        configure(table, "--method=er", "--sparsity=0.5", *flags)[0]
        for flags in ((), ("--label_smoothing=0",), ("--label_smoothing=0.1",))
    )
    assert config.run_name(plain) == config.run_name(none) != config.run_name(some)
    assert plain.dense_identity == none.dense_identity != some.dense_identity
    assert config.Config.from_json(some.to_json()) == some


def test_augmenting_a_table_is_an_error_before_any_work(table, tmp_path):
    with pytest.raises(ValueError, match=r"--augment: dataset npz:.* has no augmentation"):
        run(tmp_path / "run", table, "--method=er", "--sparsity=0.5", "--augment")
    assert not (tmp_path / "run").exists()


def test_images_are_what_a_convolutional_network_takes(table, tmp_path):
    with pytest.raises(ValueError, match=r"resnet18_cifar takes images .*mlp_A_B"):
        run(tmp_path / "run", table, "--model=resnet18_cifar", "--method=er", "--sparsity=0.5")
