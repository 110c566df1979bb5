"""An adapter in PEFT against our merged export: logits in fp32. `python -m benchmarks.adapters BASE ADAPTER MERGED`."""

import sys
from pathlib import Path

LENGTH, ROWS = 1024, 8


def compare(base: Path, adapter: Path, merged: Path) -> dict[str, float]:
    """Largest differences of logits on random bases, with the largest logit and what the adapter changes."""
    import torch
    from peft import PeftModel
    from transformers import LlamaForCausalLM

    model, whole = (LlamaForCausalLM.from_pretrained(path, dtype=torch.float32).eval() for path in (base, merged))
    shape = (ROWS, min(LENGTH, model.config.max_position_embeddings))
    tokens = torch.tensor(list(b"ACGT"))[torch.randint(4, shape, generator=torch.Generator().manual_seed(0))]
    with torch.no_grad():
        before, wanted = model(tokens).logits, whole(tokens).logits
        found = PeftModel.from_pretrained(model, adapter)(tokens).logits
    return {
        "difference": float((found - wanted).abs().max()),
        "largest logit": float(wanted.abs().max()),
        "change by the adapter": float((wanted - before).abs().max()),
    }


if __name__ == "__main__":
    for name, value in compare(*map(Path, sys.argv[1:4])).items():
        print(f"{name}: {value:.3g}")
