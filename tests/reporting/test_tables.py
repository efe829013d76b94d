"""The tables: what is in which cell."""

import pytest

from tests.reporting import synthetic
from tests.reporting.synthetic import write
from tf_tickets.reporting import tables
from tf_tickets.results import experiments, load, verdicts


def experiment(folder):
    """The only setting of a folder."""
    (found,) = experiments(load([folder]))
    return found


def rows(table):
    """First cell -> texts of the others."""
    return {row.cells[0].text: [cell.text for cell in row.cells[1:]] for row in table.rows}


def strong(table):
    """Names of rows -> which cells are bold."""
    return {row.cells[0].text: [cell.strong for cell in row.cells[1:]] for row in table.rows}


def test_accuracies_are_means_and_spreads_over_seeds(tmp_path):
    for seed, accuracy in enumerate((0.9, 0.92, 0.94)):
        write(tmp_path / f"a{seed}", accuracy, seed=seed)
        write(tmp_path / f"b{seed}", accuracy - 0.1, seed=seed, sparsity=0.99)
    write(tmp_path / "c", 0.8, method="synflow")
    table = tables.accuracies(experiment(tmp_path), alpha=0.05)
    assert table.head == ("method", "98 %", "99 %")
    assert rows(table) == {"snip": ["92.00 ± 2.00", "82.00 ± 2.00"], "synflow": ["80.00", "–"]}
    assert table.rows[0].cells[1].detail == "(3)"


def test_bold_is_what_lies_within_the_interval_of_the_best(tmp_path):
    # The best's interval: 0.92 ± 4.303 * 0.01 / sqrt(3) = 0.92 ± 0.0248.
    for method, base in {"snip": 0.92, "grasp": 0.896, "synflow": 0.894}.items():
        for seed, shift in enumerate((-0.01, 0.0, 0.01)):
            write(tmp_path / f"{method}{seed}", base + shift, method=method, seed=seed)
        write(tmp_path / f"dense{method}", 0.99, method="dense", seed=len(method))
    table = tables.accuracies(experiment(tmp_path), alpha=0.05)
    assert strong(table) == {"dense (0 %)": [False], "snip": [True], "grasp": [True], "synflow": [False]}


def test_of_a_single_seed_nothing_is_bold(tmp_path):
    write(tmp_path / "a", 0.95)
    for seed in range(3):
        write(tmp_path / f"b{seed}", 0.9, method="grasp", seed=seed)
    table = tables.accuracies(experiment(tmp_path), alpha=0.05)
    assert strong(table) == {"snip": [False], "grasp": [False]}


def test_checks_stand_below_their_ticket_with_paired_differences(tmp_path):
    for seed in range(3):
        write(tmp_path / f"own{seed}", 0.9 + seed / 100, seed=seed)
    # Paired over the seeds that both have: 1 and 2.
    for seed in (1, 2, 3):
        write(tmp_path / f"attacked{seed}", 0.88 + seed / 100, seed=seed, check="rearrange")
    table = tables.checks(experiment(tmp_path))
    ticket, check = table.rows
    assert (ticket.cells[0].text, ticket.cells[1].text, ticket.cells[1].detail) == (
        "snip",
        "91.00 ± 1.00",
        "(3)",
    )
    assert (check.kind, check.cells[0].text) == ("sub", "rearrange")
    assert (check.cells[1].text, check.cells[1].detail) == ("90.00 ± 1.00", "−2.00")


def test_there_is_no_table_of_what_is_not_there(tmp_path):
    write(tmp_path / "dense", method="dense")
    found = experiment(tmp_path)
    assert tables.checks(found) is None
    assert tables.compute(found) is None
    assert tables.verdicts(found, [], margin=0.01) is None
    assert tables.answers(found, []) is None
    assert tables.keep_ratios(found) == []
    assert rows(tables.accuracies(found, alpha=0.05)) == {"dense (0 %)": ["97.00"]}


def test_what_is_left_of_the_network(tmp_path):
    for seed in range(2):
        write(tmp_path / f"{seed}", seed=seed, collapsed=("classifier/kernel",) if seed else ())
        write(tmp_path / f"check{seed}", seed=seed, check="invert", collapsed=("stem_conv/kernel",))
        write(tmp_path / f"same{seed}", seed=seed, check="rearrange", collapsed=("classifier/kernel",) * seed)
    write(
        tmp_path / "unknown",
        sparsity=0.9,
        result={"macs": None, "macs_kept": None, "effective_sparsity": None},
    )
    table = tables.compute(experiment(tmp_path))
    assert [row.cells[0].detail for row in table.rows] == ["", "", "invert"]
    assert [cell.text for cell in table.rows[0].cells[1:]][2:] == ["–", "–", "–"]
    assert table.rows[1].cells[-1].text == "1 of 2 runs: classifier (1)"
    assert table.rows[2].cells[-1].text == "2 of 2 runs: stem_conv (2)"


@pytest.mark.parametrize(
    ("method", "options", "epochs", "dense"),
    [
        ("dense", {}, "30", "30"),
        ("snip", {}, "30", "0"),
        ("lt", {}, "60", "30"),
        ("lt", {"rounds": 3}, "120", "30"),
        ("weight_rewinding", {}, "57", "30"),
        ("finetune", {}, "60", "30"),
        ("lt", {"ticket": "t.npz", "ticket_sha256": "1", "classifier_keep": None}, "30", "0"),
    ],
)
def test_the_budget_counts_every_training(tmp_path, method, options, epochs, dense):
    write(tmp_path / "run", method=method, **options)
    ((_, *cells),) = [row.cells for row in tables.budget(experiment(tmp_path)).rows]
    assert [cell.text for cell in cells[:2]] == [epochs, dense]


def test_keep_ratios_are_means_of_every_layer(tmp_path):
    write(tmp_path / "run", collapsed=("classifier/kernel",))
    (folded,) = tables.keep_ratios(experiment(tmp_path))
    (table,) = folded.items
    assert [row.cells[0].text for row in table.rows][:2] == ["stem_conv", "stage1_block1_conv1"]
    last = table.rows[-1].cells[1]
    assert (table.rows[-1].cells[0].text, last.text, last.heat, last.strong) == (
        "classifier",
        "0",
        None,
        True,
    )
    heats = [row.cells[1].heat for row in table.rows[:-1]]
    assert max(heats) <= 1 and min(heats) >= 0
    assert heats == sorted(heats, reverse=True)


def test_a_verdict_has_its_numbers_and_its_notes(tmp_path):
    synthetic.paper(tmp_path, seeds=5, methods=("snip",), sparsities=(0.98,))
    write(tmp_path / "one more", method="snip", check="shuffle_weights", seed=0)
    found = experiment(tmp_path)
    table = tables.verdicts(found, verdicts(found), margin=0.01)
    kinds = [row.kind for row in table.rows]
    assert kinds[0] == "group"
    by_check = {row.cells[0].text: row for row in table.rows if row.kind == "row"}
    assert list(by_check) == [
        "corrupted", "rearrange", "shuffle_weights", "reinitialize", "rearrange+reinitialize", "invert",
    ]  # fmt: skip
    assert by_check["invert"].cells[1].badge == "sensitive"
    assert by_check["invert"].cells[2].text.startswith("−")
    assert by_check["invert"].cells[3].interval.margin == 1.0
    few = by_check["shuffle_weights"]
    assert few.cells[1].badge == "too few seeds"
    assert few.cells[2].text == "1 of at least 3 seeds"
    assert sum(cell.span for cell in few.cells) == len(table.head)
