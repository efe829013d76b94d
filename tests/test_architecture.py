"""The rooms of the package, and the arrows between them: one way, and no circles.

An import counts wherever it stands: at the top, in a function, under TYPE_CHECKING, or as a name that is
resolved when it is used (`"tf_tickets.room.module:attribute"`).
"""

import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1] / "tf_tickets"
# A room may use those of the lines above its own; those of one line do not know each other.
ORDER = (
    {"support"},
    {"storage", "layers"},
    {"models", "training", "theory", "compaction"},
    {"serving", "interop"},
    {"exporting"},
    {"deployments"},
    {"data"},
    {"pruning"},
    {"sparse_training"},
    {"callbacks"},
    {"methods"},
    {"sanity"},
    {"config"},
    {"pipeline"},
    {"sweeps"},
    {"results"},
    {"reporting", "laboratory"},
    {"programs"},
)
# What `python -m` starts, and the public names: at the top, whatever their folder.
FRONT = {
    "tf_tickets",
    "tf_tickets.__main__",
    "tf_tickets.run",
    "tf_tickets.sweep",
    "tf_tickets.report",
    "tf_tickets.sanity.__main__",
}


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@functools.cache
def imports(module):
    """Modules of ours that a module names in any way."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and "tf_tickets" in str(node.value)
        ):
            found |= set(re.findall(r"^f?[\"'](tf_tickets(?:\.\w+)+):", ast.unparse(node)))
            found |= {node.value} & MODULES.keys() - FRONT if isinstance(node, ast.Constant) else set()
    return {owner(name) for name in found if name.startswith("tf_tickets.")} - {module}


def owner(name):
    """The module that a dotted name belongs to; of a package, what its front has."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(module):
    return module.split(".")[1]


LEVELS = {name: level for level, names in enumerate(ORDER) for name in names}


def test_every_room_is_drawn_and_only_programs_are_outside():
    inside = {room(module) for module in MODULES if module not in FRONT}
    assert inside == set(LEVELS)


@pytest.mark.slow
@pytest.mark.parametrize("module", [module for module in MODULES if module not in FRONT])
def test_arrows_go_one_way(module):
    wrong = {
        other
        for other in imports(module)
        if other in FRONT or (room(other) != room(module) and LEVELS[room(other)] >= LEVELS[room(module)])
    }
    assert not wrong, f"{module} must not know of {wrong}"


@pytest.mark.slow
def test_no_circles_of_modules():
    """A package's front is apart from what is behind it: it may gather what its modules offer."""
    arrows = {module: imports(module) for module in MODULES if module not in FRONT}
    done, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in done or module not in arrows:
            return
        path.append(module)
        for other in sorted(arrows[module]):
            visit(other)
        path.pop()
        done.add(module)

    for module in arrows:
        visit(module)


def test_one_late_loader():
    for module, path in MODULES.items():
        if module != "tf_tickets.support.late":
            assert "import_module" not in path.read_text(), f"{module}: use tf_tickets.support.late"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pruning", "training"])
def test_two_halves_know_nothing_of_each_other(name):
    other = {"pruning": "training", "training": "pruning"}[name]
    for module in MODULES:
        if module not in FRONT and room(module) == name:
            assert not [x for x in imports(module) if x not in FRONT and room(x) == other]


def test_no_two_rooms_share_a_noun():
    """But for a program at the top and the file that does its work."""
    modules = {}
    for module, path in MODULES.items():
        if path.stem not in ("__init__", "__main__") and room(module) != "programs":
            modules.setdefault(path.stem, []).append(module)
    shared = [names for names in modules.values() if len({room(name) for name in names}) > 1]
    assert not shared


def test_files_are_read_in_one_sitting():
    """One noun a file; as a rule under 400 lines."""
    long = {m: n for m, p in MODULES.items() if (n := len(p.read_text().splitlines())) > 400}
    assert not long
