"""The pass that is written out computes what transformers computes, for every Llama that it is used for."""

import copy
from typing import Any

import numpy as np
import pytest

from evaluation.generation import decode
from evaluation.generation.cache import Cache, rows_that_fit
from evaluation.generation.decode import Reader
from evaluation.generation.generation import generate
from evaluation.generation.sampling import Sampling
from evaluation.likelihood import small_llama as written_out
from evaluation.likelihood.attention import use_attention
from evaluation.likelihood.regions import Region
from evaluation.likelihood.small_llama import small_llama
from tokenizer.sequence import encode

SCALED = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip
LLAMAS = {
    "grouped": {},
    "one key-value head": {"num_key_value_heads": 1},
    "as many key-value heads": {"num_key_value_heads": 4},
    "scaled RoPE": {"rope_scaling": SCALED, "rope_theta": 500.0},
    "tied": {"tie_word_embeddings": True},
    "wide heads": {"head_dim": 24, "rms_norm_eps": 1e-3},
}


def _llama(**options: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(4)
    sizes: dict[str, Any] = {
        "vocab_size": 256, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
        "initializer_range": 0.15, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1,
    }  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(**(sizes | options))).eval()
    for one in model.modules():
        if hasattr(one, "variance_epsilon"):
            torch.nn.init.uniform_(one.weight, 0.5, 1.5)
    return model


def _stepwise(model: Any, tokens: Any) -> Any:
    """Logits after each token from the 20th on, [B, steps, 256]; read 20 at once and the others one by one."""
    import torch

    reader = Reader(model)
    cache = Cache([20] * len(tokens), tokens.shape[1], model.device)
    with torch.inference_mode():
        found = []
        for row, ids in enumerate(tokens[:, :20].numpy().astype(np.uint8)):
            recorder, logits = reader.read(ids)
            cache.fill(row, row + 1, recorder)
            found.append(logits)
        steps = [torch.cat(found)]
        for place in range(20, tokens.shape[1]):
            steps.append(reader.forward(tokens[:, place : place + 1], cache.positions, cache))
            cache.close()
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize("name", LLAMAS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_logits_are_those_of_transformers(name: str, dtype: str) -> None:
    import torch

    model = _llama(**LLAMAS[name])
    tokens = torch.from_numpy(np.random.default_rng(1).integers(65, 85, size=(3, 70)))
    with torch.inference_mode():
        exact = model.double()(tokens).logits[:, 19:]
        peer = model.to(getattr(torch, dtype))
        theirs = peer(tokens).logits[:, 19:]
    ours = copy.deepcopy(peer)
    use_attention(ours)
    assert small_llama(ours) is not None
    found = _stepwise(ours, tokens)
    if dtype == "float32":
        torch.testing.assert_close(found, theirs, atol=1e-5, rtol=1e-5)
    else:  # rounding is all that differs: ours is no further from fp64 than theirs
        error, other = (float((one.double() - exact).pow(2).mean().sqrt()) for one in (found, theirs))
        assert error < 1.2 * other


@pytest.mark.parametrize("name", ["grouped", "scaled RoPE", "tied"])
def test_greedy_bases_are_those_of_transformers(name: str) -> None:
    import torch

    model = _llama(**LLAMAS[name])
    prompt = encode("ACGTTGCAAC")
    tokens = torch.from_numpy(prompt.astype(np.int64))[None]
    banned = [[id] for id in range(256) if id not in b"\0ACGT"]
    expected = model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=60, do_sample=False, bad_words_ids=banned
    )[0, 10:].tolist()
    use_attention(model)
    sampling = Sampling(length=60, temperature=0)
    written_out = generate(model, [Region(name="p", ids=prompt)], sampling)[0]
    assert written_out.ids.tolist() == [id for id in expected if id]


def test_what_is_not_a_plain_small_llama_is_run_by_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of another class (an adapter), a hook, a model that is large: none is passed over."""
    import torch

    class Adapted(torch.nn.Linear):
        def forward(self, given: Any) -> Any:
            return super().forward(given) * 1.5

    model = _llama()
    use_attention(model)
    prompts = [Region(name=text, ids=encode(text)) for text in ("ACGT", "GATTACA", "T")]
    sampling = Sampling(length=25, min_length=25, samples=2)
    plain = generate(model, prompts, sampling)
    monkeypatch.setattr(written_out, "LARGEST_PACKED", 0)
    assert small_llama(model) is None
    for one, other in zip(plain, generate(model, prompts, sampling), strict=True):
        assert one.ids.tobytes() == other.ids.tobytes()
        np.testing.assert_allclose(one.logs, other.logs, atol=1e-5)
    monkeypatch.undo()
    model.model.layers[1].mlp.down_proj.__class__ = Adapted
    assert small_llama(model) is None
    assert generate(model, prompts, sampling)[0].logs[0] != plain[0].logs[0]
    hooked = _llama()
    hooked.model.layers[0].register_forward_hook(lambda *_: None)
    assert small_llama(hooked) is None


def test_prompts_of_all_lengths_share_a_batch_to_the_bit() -> None:
    model = _llama()
    use_attention(model)
    random = np.random.default_rng(2)
    texts = [random.choice(list(b"ACGT"), size=size).astype(np.uint8).tobytes() for size in (1, 2, 31, 32, 33, 60)]
    prompts = [Region(name=str(number), ids=encode(text)) for number, text in enumerate(texts)]
    sampling = Sampling(length=60, min_length=20)
    together = generate(model, prompts, sampling)
    for prompt, one in zip(prompts, together, strict=True):
        alone = generate(model, [prompt], sampling)[0]
        assert (one.ids.tobytes(), one.logs.tobytes()) == (alone.ids.tobytes(), alone.logs.tobytes())
    assert len({len(one.ids) for one in together}) > 1


def test_prompts_that_leave_no_room_share_a_batch_with_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that has ended may stay in the batch, and must not run out of positions."""
    monkeypatch.setattr(decode, "_WORTH_KEEPING", 0)
    model = _llama()
    use_attention(model)
    random = np.random.default_rng(3)
    texts = [random.choice(list(b"ACGT"), size=size).astype(np.uint8).tobytes() for size in (127, 1, 2, 3, 4, 5)]
    prompts = [Region(name=str(number), ids=encode(text)) for number, text in enumerate(texts)]
    sampling = Sampling(length=None, seed=5)
    together = generate(model, prompts, sampling)
    assert max(len(one.ids) for one in together) > 20
    for prompt, one in zip(prompts, together, strict=True):
        alone = generate(model, [prompt], sampling)[0]
        assert (one.ids.tobytes(), one.logs.tobytes()) == (alone.ids.tobytes(), alone.logs.tobytes())


def test_a_batch_is_what_fits_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from evaluation.generation import cache

    model = _llama()
    row = 2 * 2 * 2 * 8 * 4 * 100  # keys and values, layers, heads, width, bytes, positions
    for free, rows in ((2 * row * 10, 10), (2 * row * 10 - 1, 9), (0, 1), (1 << 40, 64)):
        monkeypatch.setattr(cache, "available_memory", lambda free=free: free)
        assert rows_that_fit(model, 100) == rows
