"""The tables: what is in which cell."""

import pytest

from tests.reporting import synthetic
from tests.reporting.synthetic import write
from tf_tickets.reporting import tables
from tf_tickets.results import Margin, experiments, load, source_contrasts, verdicts


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


def test_what_collapsed_is_marked_unlike_what_is_not_there(tmp_path):
    for seed in range(3):
        write(tmp_path / f"{seed}", 0.1 if seed else 0.9, seed=seed, collapsed=("stem_conv/kernel",) * seed)
        write(tmp_path / f"more{seed}", seed=seed, sparsity=0.9, check="rearrange")
    found = experiment(tmp_path)
    table = tables.accuracies(found, alpha=0.05)
    assert [(cell.text, cell.detail) for cell in table.rows[0].cells[1:]] == [
        ("–", ""),
        ("36.67 ± 46.19", "(3) ✕2"),
    ]
    assert "–: no finished run. ✕n: in n runs a layer collapsed" in table.caption
    table = tables.checks(found)
    assert [[cell.text for cell in row.cells[1:]] for row in table.rows] == [
        ["–", "36.67 ± 46.19"],
        ["97.00 ± 0.00", "–"],
    ]
    assert "–: no finished run." in table.caption


def test_there_is_no_table_of_what_is_not_there(tmp_path):
    write(tmp_path / "dense", method="dense")
    found = experiment(tmp_path)
    assert tables.checks(found) is None
    assert tables.compute(found) is None
    assert tables.verdicts(found, [], margin=Margin(0.01)) is None
    assert tables.answers(found, []) is None
    assert tables.keep_ratios(found) == []
    assert tables.densities(found) is None
    assert tables.source_contrasts(found, []) is None
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


def test_the_budget_says_what_training_cost_where_that_is_known(tmp_path):
    write(tmp_path / "old", method="snip")
    assert "training cost" not in tables.budget(experiment(tmp_path)).head
    for number, cost in enumerate((8.0, 9.5)):
        write(tmp_path / f"{number}", method="gmp", seed=number, result={"training_cost": cost})
    write(tmp_path / "rigl", method="rigl", result={"training_cost": 0.6})
    table = tables.budget(experiment(tmp_path))
    assert table.head[-1] == "training cost"
    assert {name: cells[-1] for name, cells in rows(table).items()} == {
        "snip": "–",
        "gmp": "8.00–9.50",
        "rigl": "0.60",
    }


def test_true_densities_are_those_that_were_reached(tmp_path):
    for seed, density in enumerate((0.06, 0.10)):
        write(tmp_path / f"str{seed}", 0.9 + seed / 50, method="str", seed=seed, density=density)
        write(tmp_path / f"gmp{seed}", 0.95, method="gmp", seed=seed, result={"training_cost": 7.0})
    write(tmp_path / "dense", method="dense")
    table = tables.densities(experiment(tmp_path))
    assert table.head[1:3] == ("sparsity asked for", "density")
    found = rows(table)
    assert list(found) == ["gmp", "str"]
    assert [found["gmp"][number] for number in (0, 1, 3, 4, 5)] == [
        "98 %",
        "2.00",
        "95.00 ± 0.00",
        "2",
        "7.00",
    ]
    assert [found["str"][number] for number in (0, 1, 3, 4, 5)] == [
        "no target", "8.00", "91.00 ± 1.41", "2", "–",
    ]  # fmt: skip
    densities = [row.cells[2] for row in table.rows]
    assert [cell.detail for cell in densities] == ["", "± 2.83"]


def test_a_method_without_a_target_is_in_no_column_of_a_sparsity(tmp_path):
    write(tmp_path / "str", 0.99, method="str", sparsity=0.7, density=0.05, **synthetic.SOURCE)
    write(tmp_path / "gmp", 0.9, method="gmp", sparsity=0.7)
    found = experiment(tmp_path)
    table = tables.accuracies(found, alpha=0.05)
    assert table.head == ("method", "70 %", "no target")
    assert rows(table) == {"gmp": ["90.00", "–"], "str, source 0.3 balanced": ["–", "99.00"]}
    assert rows(tables.compute(found))["str, source 0.3 balanced"][:2] == ["no target", "5.00"]
    assert [folded.summary for folded in tables.keep_ratios(found)] == [
        "Keep-ratios at 70 %, in numbers",
        "Keep-ratios without a target, in numbers",
    ]


def test_starting_sparse_is_paired_over_the_seeds_of_both(tmp_path):
    for seed in range(5):
        cost = {"training_cost": 10.0}
        write(tmp_path / f"dense{seed}", 0.9 + seed / 100, method="rigl", seed=seed, result=cost)
    for seed, gain in ((1, 0.01), (2, 0.02), (3, 0.03), (7, 0.5)):
        cost = {"training_cost": 4.0 if seed < 7 else 0.0}
        write(
            tmp_path / f"inside{seed}", 0.9 + seed / 100 + gain, method="rigl", seed=seed, result=cost,
            **synthetic.SOURCE,
        )  # fmt: skip
    found = experiment(tmp_path)
    (row,) = tables.source_contrasts(found, source_contrasts(found)).rows
    # 2 ± 4.303 * 1 / sqrt(3) points; seed 7 has no partner.
    assert [(cell.text, cell.detail) for cell in row.cells] == [
        ("rigl, source 0.3 balanced", ""),
        ("98 %", ""),
        ("92.00 ± 1.00", ""),
        ("94.00 ± 2.00", ""),
        ("+2.00", "[−0.48, +4.48]"),
        ("3", ""),
        ("10.00", ""),
        ("4.00", ""),
        ("60.0", ""),
    ]


def test_starting_sparse_says_what_it_does_not_know(tmp_path):
    write(tmp_path / "dense", 0.95, method="rigl", density=0.02)
    write(tmp_path / "inside", 0.94, method="rigl", density=0.03, **synthetic.SOURCE)
    found = experiment(tmp_path)
    row, note = tables.source_contrasts(found, source_contrasts(found)).rows
    assert [cell.text for cell in row.cells[4:]] == ["−1.00", "1", "–", "–", "–"]
    assert row.cells[4].detail == "(1 of at least 3 seeds)"
    assert note.kind == "note" and "2.00 % from dense and 3.00 % inside" in note.cells[0].text


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


@pytest.mark.slow
def test_a_verdict_has_its_numbers_and_its_notes(tmp_path):
    synthetic.paper(tmp_path, seeds=5, methods=("snip",), sparsities=(0.98,))
    write(tmp_path / "one more", method="snip", check="shuffle_weights", seed=0)
    found = experiment(tmp_path)
    table = tables.verdicts(found, verdicts(found), margin=Margin(0.01))
    kinds = [row.kind for row in table.rows]
    assert kinds[0] == "group"
    by_check = {row.cells[0].text: row for row in table.rows if row.kind == "row"}
    assert list(by_check) == [
        "corrupted", "rearrange", "shuffle_weights", "reinitialize", "rearrange+reinitialize", "invert",
    ]  # fmt: skip
    assert by_check["invert"].cells[1].badge == "sensitive"
    assert by_check["invert"].cells[2].text.startswith("−")
    assert by_check["invert"].cells[3].interval.middle < -30 and table.scale.margin == 1.0
    assert (table.scale.low, table.scale.high) == (-100.0, 3.0) and "from −100" in table.on_page
    few = by_check["shuffle_weights"]
    assert (few.cells[1].text, few.cells[1].badge) == ("too few seeds", "too few seeds")
    judged = verdicts(found, margin="25%")  # of no gap: there is no dense network
    table = tables.verdicts(found, judged, margin=Margin(0.25, of_gap=True))
    texts = {row.cells[0].text: row.cells[1].text for row in table.rows if len(row.cells) > 1}
    assert set(texts.values()) == {"too few seeds", "no verdict"}
    assert few.cells[2].text == "1 of at least 3 seeds"
    assert sum(cell.span for cell in few.cells) == len(table.head)
