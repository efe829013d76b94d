"""The processes that train together: a team of one. Several are in tests/pipeline."""

import pytest

from tests.replicas import two_replicas
from tf_tickets import training
from tf_tickets.training import Team


class TestATeamOfOneProcess:
    @pytest.mark.parametrize("strategy", [lambda: training.make_strategy("none"), two_replicas])
    def test_knows_what_it_knows(self, strategy):
        team = Team(strategy())
        assert team.chief and team.size == 1
        assert list(team.own_replicas) == list(range(strategy().num_replicas_in_sync))
        assert team.broadcast(b"all of it") == b"all of it"
        team.agree("anything", "at all")
