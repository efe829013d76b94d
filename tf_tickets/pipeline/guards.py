"""What a run is guarded from: other processes in its directory, the loss of workers, too little memory."""

import contextlib
import errno
import os
import traceback
from collections.abc import Iterator

import tensorflow as tf

from tf_tickets import training
from tf_tickets.config import identity_in
from tf_tickets.pipeline.job import Job
from tf_tickets.storage.directories import Directory
from tf_tickets.storage.packing import pack, unpack


@contextlib.contextmanager
def exclusive(job: Job, directory: Directory, wait: bool) -> Iterator[None]:
    """For the duration, no other process works in the directory; all of the team have what the chief has.

    What is there already is what the stages of a run have left, or it is an error. A run that is finished is
    shown again also where no lock can be had, on a disk that may only be read: nothing is left to be written.

    Args:
        job: whose team it is.
        directory: which is claimed.
        wait: for another process at work in it; otherwise that is an error.
    """
    waiting = f"waiting for another process, at work in {directory.where}"
    lock = directory.locked((lambda holder: job.show.line(f"{waiting} ({holder})")) if wait else None)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except OSError:
            if not (directory is job.directory and job.is_finished):
                raise
        directory.check_files()
        if job.team.size > 1:
            packed = job.team.broadcast(pack(directory) if job.team.chief else b"")
            if not job.team.chief:
                unpack(packed, directory)
                directory.identity = dict(identity_in(directory.path, directory.identity))
        yield


@contextlib.contextmanager
def explain_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """For the duration, the loss of another process is told as what it is."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if training.Team(strategy).size == 1:
            raise
        # They hold threads that TensorFlow has left open, and that would complain as the process ends.
        traceback.clear_frames(error.__traceback__)
        raise ConnectionError(
            "Another worker of the cluster is gone, or has ended with an error of its own. Start the same "
            f"command on all machines: it goes on from the last checkpoint. ({_reason(error)})"
        ) from error


@contextlib.contextmanager
def explain_lack_of_memory(size: str) -> Iterator[None]:
    """For the duration, a lack of memory is told with what to lower: the flag and its value."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if os.strerror(errno.ENOSPC) in str(error):  # TensorFlow has one name for both
            raise OSError(errno.ENOSPC, f"A disk is full. ({_reason(error)})") from error
        raise RuntimeError(
            f"Out of memory at {size}. Lower that, or --width, or --image_size. ({_reason(error)})"
        ) from error


def _reason(error: tf.errors.OpError) -> str:
    """The first line of what TensorFlow says."""
    return str(error).partition("\n")[0]
