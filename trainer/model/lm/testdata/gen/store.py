"""Writing of expectations: numbers that are compared go to safetensors (float32), everything else to JSON."""

import json
import os

from safetensors.torch import save_file


def write_tensors(folder, name, tensors):
    path = os.path.join(folder, name)
    save_file({k: v.detach().float().contiguous().clone() for k, v in tensors.items()}, path)
    os.chmod(path, 0o644)


def write_json(folder, name, value):
    """One line per list entry: small, and a change shows as a change of one line."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        f.write("{\n")
        f.write(",\n".join(f"{json.dumps(k)}: {_entry(v)}" for k, v in value.items()))
        f.write("\n}\n")


def _entry(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in value) + "\n]"
    return json.dumps(value, separators=(",", ":"))
