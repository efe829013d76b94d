"""What TensorBoard reads."""

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray


def curves(folder):
    """Tag -> step -> value, of all event files in a folder."""
    found = {}
    for path in sorted(folder.rglob("events.*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = make_ndarray(value.tensor)
    return found
