"""Signals that end a training, or a block of work: the first politely, the second at once."""

import signal

import pytest

from tf_tickets.training import interruption
from tf_tickets.training.interruption import Interrupted, Interruption, ended_politely


@pytest.fixture(autouse=True)
def as_in_a_program(monkeypatch):
    """SIGTERM as a program finds it, and as it was afterwards."""
    monkeypatch.setattr(interruption, "_after", {})
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


class TestATraining:
    def test_notes_a_signal_and_obeys_the_second(self):
        with pytest.raises(KeyboardInterrupt), Interruption() as noted:
            noted._before[signal.SIGTERM] = signal.default_int_handler  # instead of the end of this process
            signal.raise_signal(signal.SIGTERM)
            assert noted.signal == signal.SIGTERM
            signal.raise_signal(signal.SIGTERM)

    def test_of_a_process_of_a_pool_is_not_kept_from_saving_by_a_second(self):
        """All of them are told again when the first has ended."""
        interruption.hear_once()
        with pytest.raises(Interrupted), Interruption() as noted:
            for _ in range(3):
                signal.raise_signal(signal.SIGTERM)
            assert noted.signal == signal.SIGTERM
            raise Interrupted("saved", noted.signal)
        signal.raise_signal(signal.SIGTERM)  # nor on the way out


class TestABlock:
    def test_is_ended_by_an_exception(self):
        with pytest.raises(Interrupted) as ended, ended_politely():
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.signal == signal.SIGTERM and not str(ended.value)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "a second one is obeyed"

    def test_leaves_others_handlers_alone(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with ended_politely():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
