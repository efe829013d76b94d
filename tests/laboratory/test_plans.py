"""Plans that are written down before the first run, kept with the runs, and told apart from what is added."""

import json
import pathlib
import shutil

import pytest

import tf_tickets as tt
from tests.programs import here
from tests.reporting import synthetic
from tests.sweeps.here import stay_here
from tf_tickets import pipeline, results

FLAGS = (
    "--method=snip",
    "--sparsity=0.9",
    "--model=mlp_8_8",
    "--seed=0-2",
    "--sanity_check=rearrange,invert",
)


pytestmark = pytest.mark.usefixtures("made_up", "unprinted")


def make_up(monkeypatch):
    """Runs have made-up numbers."""

    def run(config, dataset, strategy, show, *rest):
        accuracy = {None: 0.97, "rearrange": 0.969}.get(config.sanity_check, 0.93)
        accuracy = accuracy if config.method == "snip" else 0.93
        synthetic.write(config.run_dir, accuracy + 0.001 * config.seed, settings=config)
        return {"test_accuracy": accuracy}

    stay_here(monkeypatch)
    monkeypatch.setattr(pipeline, "run", run)
    monkeypatch.setattr(pipeline, "pretrain_only", lambda *_: None)


@pytest.fixture
def made_up(monkeypatch):
    make_up(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a plan and of the runs that it was judged by; tests have copies."""
    folder = tmp_path_factory.mktemp("made")
    path = folder / "snip.cfg"
    more = ("--margin=0.02", "--loss_margin=0.05", "--family=positions:rearrange", f"--write_plan={path}")
    with pytest.MonkeyPatch.context() as patch:
        make_up(patch)
        code, _, err = here.call(patch, "sanity", *FLAGS, *more, f"--runs_dir={folder}/elsewhere")
        assert (code, err) == (0, "")
        assert not (folder / "elsewhere").exists()
        said = judge(patch, path)
    return folder, said


@pytest.fixture
def plan(made, tmp_path):
    """That was not used yet."""
    return pathlib.Path(shutil.copy(made[0] / "snip.cfg", tmp_path))


@pytest.fixture
def judged(made, plan):
    """A plan, its runs beside it, and what the command said of them."""
    shutil.copytree(made[0] / "runs", plan.parent / "runs")
    return made[1]


def judge(monkeypatch, plan, *flags):
    return here.call(monkeypatch, "sanity", f"--plan={plan}", f"--runs_dir={plan.parent}/runs", *flags)


@pytest.mark.slow
def test_a_plan_says_what_decides_also_where_it_is_the_default(plan):
    said = dict(
        line.removeprefix("--").split("=", 1) for line in plan.read_text().splitlines() if "=" in line[:25]
    )
    assert said["method"] == "snip"
    assert said["margin"] == "0.02"
    assert said["family"] == "positions:rearrange"
    assert {"alpha", "threads", "epochs", "dataset", "data_fingerprint", "sanity_check"} <= said.keys()
    assert not {"runs_dir", "jobs", "write_plan"} & said.keys()


@pytest.mark.slow
def test_a_plan_says_the_margin_of_the_metric(monkeypatch, tmp_path):
    path = tmp_path / "new.cfg"
    assert here.call(monkeypatch, "sanity", *FLAGS, f"--write_plan={path}")[0] == 0
    assert "--margin=0.01\n" in path.read_text()


@pytest.mark.slow
def test_is_noted_with_the_runs_and_judges_them(plan, judged, monkeypatch):
    code, out, err = judged
    assert code == 0, err
    assert "equivalent within 2 points" in out
    assert "test loss 0.1" in out
    noted = results.read_protocol(plan.parent / "runs")
    assert noted.text == plan.read_text()
    assert noted.earlier == ()
    runs = results.load(plan.parent / "runs")
    assert (noted.missing(runs), noted.added(runs)) == ([], [])
    # The same command again trains nothing, and finds the plan as it was noted.
    monkeypatch.setattr(pipeline, "run", None)
    assert judge(monkeypatch, plan)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--margin=0.05", "--seed=0-9", "--method=grasp", "--epochs=3", "--nonulls"])
def test_nothing_that_decides_stands_beside_it(plan, monkeypatch, flag):
    code, _, err = judge(monkeypatch, plan, flag)
    name = flag.partition("=")[0].replace("--no", "--")
    assert code == 1
    assert f"{name} beside --plan: a plan says all that decides" in err
    assert not (plan.parent / "runs").exists()


@pytest.mark.slow
def test_what_comes_later_is_told_apart(plan, judged, monkeypatch, tmp_path):
    more = [x.replace("0-2", "0-3") for x in FLAGS]
    code, *_ = here.call(monkeypatch, "sanity", *more, f"--runs_dir={tmp_path}/runs")
    assert code == 0
    noted, runs = results.read_protocol(tmp_path / "runs"), results.load(tmp_path / "runs")
    assert {run.seed for run in noted.added(runs)} == {3}
    page = pathlib.Path(tt.report(tmp_path / "runs", tmp_path / "report")).with_name("report.md").read_text()
    assert "not planned, but added later" in page
    assert "within 2 points" in page or "less than 2 points" in page  # the plan's margin


@pytest.mark.slow
def test_what_is_missing_is_said(judged, tmp_path):
    runs = results.load(tmp_path / "runs")
    (gone, *_) = [run for run in runs if run.check == "rearrange"]
    (gone.path / "result.json").unlink()
    page = pathlib.Path(tt.report(tmp_path / "runs", tmp_path / "report")).with_name("report.md").read_text()
    assert "1 of " in page
    assert "planned runs have no result" in page
    assert "lack a run" in page


@pytest.mark.slow
def test_other_margins_than_the_planned_are_said(judged, tmp_path):
    page = tt.report(tmp_path / "runs", tmp_path / "report", margin=0.05)
    assert "not judged as they were planned" in pathlib.Path(page).with_name("report.md").read_text()


@pytest.mark.slow
def test_what_a_report_is_not_told_is_as_it_was_planned(judged, tmp_path):
    page = tt.report(tmp_path / "runs", tmp_path / "report", alpha=0.01)
    text = pathlib.Path(page).with_name("report.md").read_text()
    assert "less than 2 points" in text
    assert "Verdicts by test loss" in text
    assert "has a chance of 1 %" in text
    assert "not judged as they were planned" in text


@pytest.mark.slow
def test_runs_of_another_folder_are_none_of_the_plan(judged, tmp_path):
    shutil.copytree(tmp_path / "runs", tmp_path / "others")
    (tmp_path / "others" / "plan.json").unlink()
    for path in [run.path for run in results.load(tmp_path / "runs") if run.check == "rearrange"]:
        shutil.rmtree(path)
    page = tt.report([tmp_path / "runs", tmp_path / "others"], tmp_path / "report")
    assert "24 of 27 planned runs" in pathlib.Path(page).with_name("report.md").read_text()


@pytest.mark.slow
def test_the_plan_of_a_table_of_runs_lies_beside_the_table(judged, tmp_path):
    table = pathlib.Path(tt.report(tmp_path / "runs", tmp_path / "report")).with_name("report.csv")
    of_table = results.load(table)
    (table.parent / "plan.json").unlink()
    assert results.protocols(of_table) == []  # whatever lies where the table says that the runs were
    shutil.copy(tmp_path / "runs" / "plan.json", table.parent)
    (found,) = results.protocols(of_table)
    assert (found.missing(of_table), found.added(of_table)) == ([], [])
    assert results.planned_analysis([found]).margin == results.Margin(0.02)


def test_a_plan_needs_the_data(monkeypatch, tmp_path):
    path = tmp_path / "new.cfg"
    code, _, err = here.call(monkeypatch, "sanity", *FLAGS, "--dry_run", f"--write_plan={path}")
    assert (code, path.exists()) == (1, False)
    assert "leave out --dry_run" in err


@pytest.mark.parametrize("said", [{"method": "grasp"}, {"sparsity": 0.98}, {"seeds": 3}, {"margin": 0.5}])
def test_nothing_that_decides_stands_beside_it_in_python(tmp_path, said):
    with pytest.raises(ValueError, match=f"{next(iter(said))}= beside plan="):
        tt.sanity_check(plan=tmp_path / "any.cfg", runs_dir=str(tmp_path / "runs"), **said)


@pytest.mark.slow
def test_a_plan_is_not_changed(plan, judged, monkeypatch, tmp_path):
    plan.write_text(plan.read_text().replace("--margin=0.02", "--margin=0.03"))
    code, _, err = judge(monkeypatch, plan)
    assert code == 1
    assert "its runs are of another plan" in err


@pytest.mark.slow
def test_a_plan_is_not_overwritten(plan, monkeypatch):
    before = plan.read_text()
    code, _, err = here.call(monkeypatch, "sanity", *FLAGS, f"--write_plan={plan}")
    assert (code, plan.read_text()) == (1, before)
    assert "a plan is not changed" in err


@pytest.mark.slow
def test_of_other_data_is_refused(plan, monkeypatch):
    text = plan.read_text()
    (line,) = [x for x in text.splitlines() if x.startswith("--data_fingerprint")]
    plan.write_text(text.replace(line, "--data_fingerprint=0123456789abcdef"))
    code, _, err = judge(monkeypatch, plan)
    assert code == 1
    assert "The plan is about other data" in err
    assert not (plan.parent / "runs").exists()


@pytest.mark.slow
def test_goes_with_the_table_of_a_report(plan, judged, tmp_path):
    tt.report(tmp_path / "runs", tmp_path / "report")
    (again,) = results.protocols(results.load(tmp_path / "report" / "report.csv"))
    assert again.text == plan.read_text()
    page = pathlib.Path(tt.report(tmp_path / "report" / "report.csv", tmp_path / "again"))
    assert "less than 2 points" in page.with_name("report.md").read_text()
    # A report of other runs in its place leaves no plan that is not theirs.
    synthetic.write(tmp_path / "other")
    tt.report(tmp_path / "other", tmp_path / "report")
    assert not (tmp_path / "report" / "plan.json").exists()


@pytest.mark.slow
def test_from_python(plan, tmp_path):
    findings = tt.sanity_check(plan=plan, runs_dir=str(tmp_path / "runs"), jobs=1)
    assert findings.answer("rearrange") == "insensitive"
    assert findings.answer("rearrange", metric="loss") == "cannot tell"
    assert findings.protocol.text == plan.read_text()
    with pytest.raises(ValueError, match="--epochs beside --plan"):
        tt.sanity_check(plan=plan, runs_dir=str(tmp_path / "runs"), epochs=3)


@pytest.mark.slow
def test_a_note_that_was_changed_is_not_believed(judged, tmp_path):
    path = tmp_path / "runs" / "plan.json"
    noted = json.loads(path.read_text())
    path.write_text(json.dumps({**noted, "plan": noted["plan"].replace("0.02", "0.05")}))
    with pytest.raises(ValueError, match="the text is not the one that was noted"):
        results.read_protocol(tmp_path / "runs")
