"""A Ray cluster on this machine, in a process of its own: an idle head, and nodes of one core each.

Prints the address. Then each line that it reads is a command, answered by a line: `kill N` kills the Ray of
node N and the processes that it has started, at once, as a machine that is switched off would; `add` adds a
node; `busy` counts the processes that are at work on a task. It ends at the end of its input.
"""

import os
import signal
import subprocess
import sys

from ray.cluster_utils import Cluster


def children(pid):
    """Process ids and command lines of the children of a process."""
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(pid), "-o", "pid=,args="], capture_output=True, text=True
    )
    rows = (line.split(None, 1) for line in listed.stdout.splitlines())
    return [(int(child), args) for child, args in rows]


def raylet(node):
    return node.all_processes["raylet"][0].process.pid


def kill(node):
    own = raylet(node)
    started = children(own)
    for pid in (own, *(pid for pid, _ in started)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def main():
    # By default Ray takes half a minute to believe that a node is dead.
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": {"health_check_period_ms": 1000}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]))]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        answer = ""
        if command == "kill":
            kill(nodes[int(arguments[0])])
        elif command == "add":
            nodes.append(cluster.add_node(num_cpus=1))
        elif command == "busy":
            raylets = [raylet(node) for node in (cluster.head_node, *nodes)]
            answer = sum("ray::check_and_run" in args for pid in raylets for _, args in children(pid))
        print(f"done {answer}", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
