"""The attention agrees with the one of transformers: plain, after a shared prefix, and token by token."""

import copy
from typing import Any

import numpy as np
import pytest

from evaluation.likelihood import attention
from evaluation.likelihood.attention import Recorder, SharedPrefix
from evaluation.likelihood.forward import hidden_states, log_probabilities, target_log_probabilities
from evaluation.likelihood.small_llama import packed_llama, small_llama


@pytest.fixture(scope="module")
def tokens() -> Any:
    import torch

    torch.manual_seed(5)
    return torch.randint(65, 85, (2, 24))


def test_plain_attention_is_that_of_transformers(tiny_model: Any, tokens: Any) -> None:
    import torch

    peer = copy.deepcopy(tiny_model)
    peer.set_attn_implementation("eager")
    with torch.inference_mode():
        torch.testing.assert_close(tiny_model(tokens).logits, peer(tokens).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", ["_in_two_parts", "_in_one"])  # what a CPU takes, what a GPU takes
@pytest.mark.parametrize("length", [1, 10, 23])
def test_rows_that_share_a_prefix_are_as_if_read_whole(
    tiny_model: Any, tokens: Any, path: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(attention, "_in_two_parts", getattr(attention, path))
    rows = [0, 0, 1]
    changed = tokens[rows][:, length:].clone()
    changed[0, 0], changed[1, -1] = 99, 98
    with torch.inference_mode():
        recorder = Recorder()
        hidden_states(tiny_model, tokens, context=recorder)
        prefix = SharedPrefix(recorder, length=length, rows=rows)
        found = hidden_states(tiny_model, changed, start=length, context=prefix)
        whole = hidden_states(tiny_model, torch.cat([tokens[rows][:, :length], changed], dim=1))
    torch.testing.assert_close(found, whole[:, length:], atol=1e-5, rtol=0)


def test_log_probabilities_are_normalised_over_what_was_asked(tiny_model: Any, tokens: Any) -> None:
    import torch

    with torch.inference_mode():
        hidden = hidden_states(tiny_model, tokens)
        every, four = (log_probabilities(tiny_model, hidden, acgt_only=only) for only in (False, True))
        torch.testing.assert_close(every.exp().sum(-1), torch.ones(2, 24))
        torch.testing.assert_close(four[..., list(b"ACGT")].exp().sum(-1), torch.ones(2, 24))
        one = target_log_probabilities(tiny_model, hidden[:, :-1], tokens[:, 1:])
    assert one[1, 7] == every[1, 7, tokens[1, 8]]
    assert np.isfinite(one.numpy()).all()


@pytest.mark.parametrize("length", [1, 2, 224, 225, 700])
def test_blocks_of_queries_are_the_fused_kernel(length: int) -> None:
    import torch

    torch.manual_seed(length)
    query, key, value = (torch.randn(2, length, heads, 16).transpose(1, 2) for heads in (6, 2, 2))
    keys, values = (one.repeat_interleave(3, dim=1) for one in (key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(query, keys, values, is_causal=True, scale=0.3)
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        with torch.inference_mode():
            found = attention.causal(query, key, value, 0.3)
        torch.set_num_threads(before)
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


def test_a_weight_that_changes_changes_what_is_computed(tiny_model: Any, tokens: Any) -> None:
    import torch

    model = copy.deepcopy(tiny_model)
    for change in (lambda weight: weight.mul_(1.5), lambda weight: setattr(weight, "data", weight.data * 0.5)):
        with torch.no_grad():
            before = hidden_states(model, tokens)
            change(model.model.layers[1].mlp.up_proj.weight)
            after = hidden_states(model, tokens)
            torch.testing.assert_close(after, model.model(tokens).last_hidden_state, atol=1e-5, rtol=0)
        assert not torch.allclose(before, after, atol=1e-3)


def test_a_model_that_learns_has_gradients(tiny_model: Any, tokens: Any) -> None:
    """The attention that transformers calls is left to torch, whoever calls it."""
    model = copy.deepcopy(tiny_model)
    model(tokens, labels=tokens).loss.backward()
    assert float(model.model.layers[0].self_attn.k_proj.weight.grad.abs().sum()) > 0


def test_what_gains_nothing_is_not_copied(tiny_model: Any) -> None:
    """Half precision, as on a GPU: scores run in transformers; a step of generation is written out all the same."""
    import torch

    half = copy.deepcopy(tiny_model).to(torch.bfloat16)
    assert packed_llama(half) is None
    assert small_llama(half) is not None
