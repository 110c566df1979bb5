"""Generation by vLLM, where it is installed. Written from its documentation; it was not run."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.generation.decode import Generated, Row
from evaluation.generation.sampling import Sampling
from foundation.errors import InputError
from tokenizer.vocabulary import EOS


def check_vllm(sampling: Sampling, batch_size: int | None = None, adapter: Path | None = None) -> None:
    """Before any work. Errors: `InputError` where vLLM is not installed, or cannot do what is asked for."""
    if importlib.util.find_spec("vllm") is None:
        fix = "Install it where there is a GPU: pip install vllm. Or leave out --engine."
        raise InputError("vLLM is not installed", fix=fix, kind="vllm-not-installed")
    unable = {
        "--forbid": bool(sampling.motifs.words),
        "--repetition-penalty": sampling.repetition_penalty > 1,  # vLLM's own is about single tokens
        "--gc": sampling.gc is not None,
        "--adapter": adapter is not None,
        "--batch-size": batch_size is not None,
    }
    for name in (name for name, given in unable.items() if given):
        fix = f"Leave out {name}, or --engine vllm."
        raise InputError(f"{name} does not go with --engine vllm", fix=fix, kind="engine-option")


def load_vllm(model: Path, dtype: str) -> Callable[[Sequence[Row], Sampling], list[Generated]]:
    """What draws rows, in order, each with a seed of its own."""
    from vllm import LLM

    engine = LLM(
        str(model), dtype=dtype, enable_prefix_caching=True, generation_config="vllm", logprobs_mode="raw_logprobs"
    )

    def draw(rows: Sequence[Row], sampling: Sampling) -> list[Generated]:
        outputs = engine.generate(
            [{"prompt_token_ids": row.ids.tolist()} for row in rows],
            [_parameters(sampling, row.limit, row.stream) for row in rows],
            use_tqdm=False,
        )
        return [
            Generated(prompt=row.prompt, sample=row.sample, ids=ids, logs=logs, ended=len(ids) < row.limit)
            for row, (ids, logs) in zip(rows, _bases(outputs), strict=True)
        ]

    return draw


def _parameters(sampling: Sampling, limit: int, stream: tuple[int, ...]) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=limit, min_tokens=sampling.min_length, temperature=sampling.temperature, top_k=sampling.top_k,
        top_p=sampling.top_p, min_p=sampling.min_p, logprobs=0, detokenize=False, stop_token_ids=[EOS.id],
        seed=int(np.random.default_rng(stream).integers(2**63)),
        allowed_token_ids=[EOS.id, *sorted(set(sampling.letters))],
    )  # fmt: skip


def _bases(outputs: Any) -> Iterator[tuple[Any, Any]]:
    """Ids and natural logs of each sequence, EOS left out."""
    for output in outputs:
        one = output.outputs[0]
        kept = [(id, known[id].logprob) for id, known in zip(one.token_ids, one.logprobs, strict=True) if id != EOS.id]
        yield np.array([id for id, _ in kept], dtype=np.uint8), np.array([log for _, log in kept], dtype=np.float32)
