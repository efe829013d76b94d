"""Deployment: what a pruned model gains in each form that it can be shipped in, measured here."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.deployments.deployed import Deployed as Deployed
    from tf_tickets.deployments.deployed import Deployment as Deployment
    from tf_tickets.deployments.deploying import deployment as deployment
    from tf_tickets.deployments.ways import WAYS as WAYS
    from tf_tickets.deployments.ways import Way as Way

# Public name -> where it is: the table is read without TensorFlow.
_PUBLIC = {
    "Deployed": "tf_tickets.deployments.deployed:Deployed",
    "Deployment": "tf_tickets.deployments.deployed:Deployment",
    "WAYS": "tf_tickets.deployments.ways:WAYS",
    "Way": "tf_tickets.deployments.ways:Way",
    "deployment": "tf_tickets.deployments.deploying:deployment",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
