"""What a result.json may say of deployment."""

import copy
import json

import pytest

from tf_tickets.deployments import Deployed, Deployment
from tf_tickets.deployments.timing import Spread
from tf_tickets.storage.deployment_rows import check_deployment
from tf_tickets.storage.json_rules import FRACTION, NUMBER, Unfit

ROW = Deployed("compact", 1000, Spread(2.0, 1.5, 2.5), Spread(2.0, 1.5, 2.5), 1.5, 1.2, 1e-7, 0.9)
TABLE = Deployment(
    "m", 32, 1, "a machine", {"keras": "3.15.1"}, 0.98, (4, 11), (72, None), 0.9, "test accuracy",
    (ROW,), {"ONNX": "it is not installed"}, ("a note",),
)  # fmt: skip


def written(table=TABLE):
    return json.loads(json.dumps(table.to_dict()))


def test_what_was_written_is_read():
    check_deployment(written(), "result.json", FRACTION)
    assert Deployment.from_dict(written()) == TABLE


def test_what_a_later_version_says_more_is_passed_over():
    later = {**written(), "watts": 3, "rows": [{**written()["rows"][0], "watts": 3}]}
    check_deployment(later, "result.json", FRACTION)
    assert Deployment.from_dict(later) == TABLE


def test_a_metric_that_is_no_share_may_be_any_number():
    table = {**written(), "accuracy": -3.5}
    check_deployment(table, "result.json", NUMBER)
    with pytest.raises(Unfit, match=r"accuracy is -3.5, not a number in \[0, 1\]"):
        check_deployment(table, "result.json", FRACTION)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("rows",), [], "rows is .*, not a list of rows"),
        (("rows",), [3], "a row is 3, not a mapping"),
        (("rows", 0, "bytes"), -1, "'compact': bytes is -1"),
        (("rows", 0, "cpu"), {"median": 1}, "'compact': cpu: low is missing"),
        (("rows", 0, "wall", "low"), 9, "'compact': wall: the median is not between"),
        (("rows", 0, "faster"), float("nan"), "faster is nan"),
        (("rows", 0, "accuracy"), 1.5, r"accuracy is 1.5, not a number in \[0, 1\]"),
        (("channels",), [12, 11], "more channels are removed than there are"),
        (("macs",), [1], "macs is .*, not two whole numbers"),
        (("left_out",), {"ONNX": 3}, "left_out is .*, not a mapping of texts"),
        (("batch",), 0, "batch is 0, not a whole number, 1 or more"),
    ],
)
def test_what_cannot_be_is_unfit(path, value, message):
    table = copy.deepcopy(written())
    inner = table
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(Unfit, match=f"result.json: deployment: .*{message}"):
        check_deployment(table, "result.json", FRACTION)


def test_two_rows_of_one_name_are_unfit():
    table = written()
    table["rows"] *= 2
    with pytest.raises(Unfit, match="two rows have one name"):
        check_deployment(table, "result.json", FRACTION)
