"""Run in the environment of transformers 5: logits of model directories with heads, one line of JSON for each.

usage: transformers5_heads.py SEQUENCES.json DIRECTORY...
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers


def look(directory: Path, sequences: list[str]) -> dict[str, object]:
    name = json.loads((directory / "config.json").read_text())["architectures"][0]
    auto = getattr(transformers, name.replace("Llama", "AutoModel", 1))
    model, info = auto.from_pretrained(directory, output_loading_info=True)
    assert type(model).__name__ == name
    assert not any(info.values()), info
    with torch.no_grad():
        rows = [model.float()(torch.tensor([list(one.encode())])).logits[0] for one in sequences]
    logits = [(row.mean(0) if row.ndim == 2 else row).tolist() for row in rows]
    labels = {str(number): label for number, label in model.config.id2label.items()}
    return {"version": transformers.__version__, "logits": logits, "labels": labels}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    texts = json.loads(Path(sys.argv[1]).read_text())
    for path in sys.argv[2:]:
        print(json.dumps(look(Path(path), texts)))
