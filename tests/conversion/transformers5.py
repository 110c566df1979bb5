"""Run in the environment of transformers 5: what it makes of model directories, one line of JSON for each.

usage: transformers5.py DIRECTORY...   (logits go to the file `logits5` in each, raw fp32 [2, 40, 256])
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def look(directory: Path) -> dict[str, object]:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model, info = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    dtype = next(model.parameters()).dtype
    tokens = torch.randint(0, 256, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.float()(tokens).logits.numpy().tofile(directory / "logits5")
    prompt = tokenizer("ACGT", return_tensors="pt")
    ids = model.generate(**prompt, max_new_tokens=4, do_sample=False)
    generation = model.generation_config
    return {
        "version": transformers.__version__,
        "class": type(model).__name__,
        "dtype": str(dtype),
        "loading": {key: sorted(map(str, names)) for key, names in info.items() if names},
        "inv_freq": model.model.rotary_emb.inv_freq.tolist(),
        "tied": model.lm_head.weight is model.model.embed_tokens.weight,
        "special": [generation.bos_token_id, generation.eos_token_id, generation.pad_token_id],
        "bos_token": tokenizer.bos_token,
        "tokens": tokenizer("ACGTNacgt")["input_ids"],
        "text": tokenizer.decode([65, 67, 71, 84]),
        "generated": len(ids[0]),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        print(json.dumps(look(Path(name))))
