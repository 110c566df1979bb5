"""Whether llama.cpp says of a GGUF file what transformers says: tokens of a text, greedy bases, perplexity.

python gguf_in_llama_cpp.py reference MODEL GENOME.fa OUT.json     with the Python of this project
python gguf_in_llama_cpp.py compare OUT.json MODEL.gguf...         with one that has llama-cpp-python

The second needs nothing of ours. Keys and values are kept in fp32, so that the weights alone differ.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

NEW = 60
LENGTH = 250
TEXTS = ("ACGTACGTAACC", "acgtnN", " AC\nGT|d__Bacteria;|@#", "<EOS>A")


def main() -> None:
    """Write the reference, or print the agreement."""
    if sys.argv[1] == "reference":
        reference(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        for file in sys.argv[3:]:
            compare(json.loads(Path(sys.argv[2]).read_text()), file)


def reference(model: str, genome: str, out: Path) -> None:
    """Greedy bases after three prompts, and ln P of each base of a sequence."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    bases = "".join(Path(genome).read_text().split(">")[1].split("\n")[1:]).upper()
    prompts = ["ACGTACGTAACC", bases[1000:1100], bases[1500:1680]]
    texts = [bases[start : start + LENGTH] for start in range(0, 10 * LENGTH, LENGTH)]
    with torch.inference_mode():
        greedy = [
            loaded.generate(torch.tensor([list(one.encode())]), max_new_tokens=NEW, do_sample=False)[0, len(one) :]
            for one in prompts
        ]
        ids = torch.tensor([list(one.encode()) for one in texts])
        logs = loaded(ids).logits.log_softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    content = {
        "prompts": prompts, "greedy": [one.tolist() for one in greedy], "texts": texts, "logs": logs.tolist(),
    }  # fmt: skip
    out.write_text(json.dumps(content))


def compare(known: dict[str, Any], file: str) -> None:
    """Print what llama.cpp makes of `file`."""
    import numpy as np
    from llama_cpp import Llama

    model = Llama(file, n_ctx=256, n_batch=256, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0)
    same = all(model.tokenize(one.encode(), add_bos=False) == list(one.encode()) for one in TEXTS)
    back = all(model.detokenize(list(one.encode())) == one.encode() for one in TEXTS)
    agreeing = 0
    for prompt, expected in zip(known["prompts"], known["greedy"], strict=True):
        model.reset()
        model.eval(list(prompt.encode()))
        for id in expected:  # along the same bases, so that one difference is one
            agreeing += int(model.scores[model.n_tokens - 1].argmax()) == id
            model.eval([id])
    logs = np.array([_logs(model, one) for one in known["texts"]])
    worst = float(np.abs(logs - known["logs"]).max())
    theirs, ours = (math.exp(-float(np.mean(one))) for one in (logs, known["logs"]))
    total = sum(len(one) for one in known["greedy"])
    print(
        f"{Path(file).parent.name}: texts as bytes {same and back}; {agreeing} of {total} greedy bases; "
        f"perplexity {theirs:.5f}, transformers {ours:.5f}; a log-probability differs by {worst:.1e} at most",
        flush=True,
    )


def _logs(model: Any, text: str) -> Any:
    """ln P of each base of `text` but the first."""
    import numpy as np

    ids = list(text.encode())
    model.reset()
    model.eval(ids)
    scores = model.scores[: len(ids) - 1].astype(np.float64)
    return scores[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(scores).sum(axis=1))


if __name__ == "__main__":
    main()
