"""Whether vLLM says of an export what transformers says: tokens of greedy decoding and log-probabilities of prompts.

python serving.py MODEL GENOME.fa     with the Python of an environment that has vLLM (and with it transformers 5)

It needs nothing of ours. Both run in fp32; on a CPU set VLLM_CPU_KVCACHE_SPACE=1 (GiB).
"""

import sys
from pathlib import Path
from typing import Any

NEW = 60
ALLOWED = [0, *b"ACGT"]  # EOS is 0


def main() -> None:
    """Print the agreement."""
    model, genome = sys.argv[1:3]
    bases = "".join(Path(genome).read_text().split(">")[1].split("\n")[1:]).upper()
    prompts = ["ACGTACGTAACC", bases[1000:1100], bases[5000:5300]]
    served = _vllm(model, prompts)
    tokens, differences = 0, []
    for prompt, output in zip(prompts, served, strict=True):
        assert output.prompt_token_ids == list(prompt.encode()), "the prompt is not its bytes"
        generated = list(output.outputs[0].token_ids)
        expected, logs = _transformers(model, prompt)
        tokens += sum(one == other for one, other in zip(generated, expected, strict=True))
        found = [known[one].logprob for one, known in zip(prompt.encode()[1:], output.prompt_logprobs[1:], strict=True)]
        differences += [abs(one - other) for one, other in zip(found, logs, strict=True)]
    print(f"{tokens} of {NEW * len(prompts)} greedy tokens are the same")
    print(f"{len(differences)} log-probabilities of prompts differ by {max(differences):.1e} at most")


def _vllm(model: str, prompts: list[str]) -> list[Any]:
    from vllm import LLM, SamplingParams

    sampling = SamplingParams(
        temperature=0, max_tokens=NEW, min_tokens=NEW, prompt_logprobs=1, allowed_token_ids=ALLOWED
    )
    return list(LLM(model, dtype="float32", max_model_len=512, enforce_eager=True).generate(prompts, sampling))


def _transformers(model: str, prompt: str) -> tuple[list[int], list[float]]:
    """The likeliest of A, C, G and T, one after another; and ln P of each base of the prompt but the first."""
    import torch
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    ids = torch.tensor([list(prompt.encode())])
    with torch.inference_mode():
        logs = loaded(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0].tolist()
        for _ in range(NEW):
            last = loaded(ids).logits[0, -1]
            best = max(ALLOWED[1:], key=lambda token: float(last[token]))
            ids = torch.cat([ids, torch.tensor([[best]])], dim=1)
    return ids[0, len(prompt) :].tolist(), logs


if __name__ == "__main__":
    main()
