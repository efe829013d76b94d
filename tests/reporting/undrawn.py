"""Reports without their figures, which take most of the time, for tests that look at something else."""

from tf_tickets.reporting import figures

DRAWN = ("bars", "curves", "densities", "learning", "ratios")


def leave_out_figures(monkeypatch):
    """For a test, a report has what it has of runs for which there is nothing to draw."""
    for name in DRAWN:
        monkeypatch.setattr(figures, name, lambda *_, **__: None)
    monkeypatch.setattr(figures, "deployments", lambda *_, **__: [])
