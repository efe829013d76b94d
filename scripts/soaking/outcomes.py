"""What two runs have left, compared to the bit."""

import json
import pathlib

# What may differ between two runs of the same bits: times and places.
BESIDE = ("seconds", "config", "summary")


def compare(whole: pathlib.Path, killed: pathlib.Path) -> list[str]:
    """What is not the same in two folders of a run and its dense training."""
    differences = []
    ours, theirs = contents(killed), contents(whole)
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs:
            differences.append(f"{name} only {'killed' if name in ours else 'undisturbed'}")
        elif ours[name] != theirs[name]:
            differences.append(f"{name} differs")
    return differences


def contents(folder: pathlib.Path) -> dict[str, object]:
    """What the files of a run hold, but for times and places; weights as their arrays."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_dir() or path.name in (".lock", "screen.txt", "stages.json"):
            continue
        if {"tensorboard", "saved_model"} & set(name.parts) or path.suffix == ".keras":
            found[name.parts[0]] = True  # events bear times, exports names of their own
        elif path.name == "result.json":
            result = json.loads(path.read_text())
            found[str(name)] = {key: value for key, value in result.items() if key not in BESIDE}
        elif path.suffix == ".h5":
            found[str(name)] = arrays_of(path)
        else:
            found[str(name)] = path.read_bytes()
    return found


def arrays_of(path: pathlib.Path) -> dict[str, bytes]:
    """Every array of a weights file, by its name."""
    import h5py

    arrays: dict[str, bytes] = {}

    def note(name: str, value: object) -> None:
        if isinstance(value, h5py.Dataset):
            arrays[name] = value[()].tobytes()

    with h5py.File(path) as file:
        file.visititems(note)
    return arrays
