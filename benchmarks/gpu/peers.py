"""The same model as others would train it on one GPU: `transformers` with `torch.compile`, and Transformer Engine's own
layers one after the other. bf16 weights, gradients and moments, no master weights, and PyTorch's fused AdamW: the least
that there is, and less than the recipe has.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.gpu.agreement import hf_llama
from benchmarks.gpu.settings import Settings, architecture_of
from benchmarks.gpu.timing import Clock

Step = Callable[[], Sequence[Any]]


def transformers_step(settings: Settings, device: str) -> Step:
    """`LlamaForCausalLM` with SDPA, compiled; in a dry run not compiled, which would take longer than all else."""
    from transformers import LlamaForCausalLM

    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = LlamaForCausalLM(hf_llama(settings))
    torch.set_default_dtype(torch.float32)
    model.train()
    forward = model if device == "cpu" else torch.compile(model)
    return _step(model, lambda tokens: forward(input_ids=tokens, labels=tokens, use_cache=False).loss, settings, device)


def te_stack_step(settings: Settings, device: str) -> Step:
    """`transformer_engine.pytorch.TransformerLayer` times layers, in the recipe's precision; FP8 weights in bf16."""
    import transformer_engine.pytorch as te

    model = TeStack(settings, device)
    recipe = _fp8_recipe(settings)

    def loss(tokens: torch.Tensor) -> torch.Tensor:
        with te.autocast(enabled=recipe is not None, recipe=recipe):
            logits = model(tokens[:, :-1])
        return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].t().flatten())

    return _step(model, loss, settings, device, extra=1)


class TeStack(torch.nn.Module):
    """Embedding, Transformer Engine's layers, norm, output; [batch, sequence] -> [sequence, batch, vocabulary]."""

    def __init__(self, settings: Settings, device: str) -> None:
        import transformer_engine.pytorch as te

        super().__init__()
        architecture, length = architecture_of(settings), settings["model"]["seq_length"]
        options: dict[str, Any] = {"device": device, "dtype": torch.bfloat16}
        hidden = architecture.hidden_size
        self.embedding = torch.nn.Embedding(settings["model"]["vocab_size"], hidden, **options)
        self.layers = torch.nn.ModuleList(
            te.TransformerLayer(
                hidden,
                architecture.intermediate_size,
                architecture.num_attention_heads,
                num_gqa_groups=architecture.num_key_value_heads,
                kv_channels=architecture.head_dim,
                layernorm_epsilon=architecture.rms_norm_eps,
                hidden_dropout=0.0,
                attention_dropout=0.0,
                layer_number=number,
                self_attn_mask_type="causal",
                params_dtype=torch.bfloat16,
                fuse_qkv_params=True,
                bias=False,
                activation="swiglu",
                normalization="RMSNorm",
                attn_input_format="sbhd",
                device=device,
            )
            for number in range(1, architecture.num_hidden_layers + 1)
        )
        self.norm = te.RMSNorm(hidden, eps=architecture.rms_norm_eps, **options)
        self.output = torch.nn.Linear(hidden, settings["model"]["vocab_size"], bias=False, **options)
        rope = te.RotaryPositionEmbedding(architecture.head_dim, rotary_base=architecture.rope_theta)
        self.register_buffer("rope", rope(length).to(device), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(tokens.t())
        for layer in self.layers:
            hidden = layer(hidden, rotary_pos_emb=self.rope)
        return self.output(self.norm(hidden))  # type: ignore[no-any-return]


def _step(
    model: torch.nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    settings: Settings,
    device: str,
    extra: int = 0,
) -> Step:
    """A training step: marks before the forward and backward pass, before the optimizer, and after it."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    clock, length = Clock(device), settings["model"]["seq_length"] + extra

    def step() -> list[Any]:
        tokens = torch.randint(0, settings["model"]["vocab_size"], (1, length), device=device)
        begin = clock.mark()
        optimizer.zero_grad(set_to_none=True)
        loss(tokens).backward()
        middle = clock.mark()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return [begin, middle, clock.mark()]

    return step


def _fp8_recipe(settings: Settings) -> Any:
    """Transformer Engine's recipe as Megatron-Core makes it of the same fields; None without FP8."""
    from transformer_engine.common.recipe import DelayedScaling, Float8CurrentScaling, Format

    values = settings["transformer"]
    if not values["fp8"]:
        return None
    format_ = {"hybrid": Format.HYBRID, "e4m3": Format.E4M3}[values["fp8"]]
    if values["fp8_recipe"] == "tensorwise":
        return Float8CurrentScaling(fp8_format=format_)
    return DelayedScaling(
        fp8_format=format_,
        amax_history_len=values["fp8_amax_history_len"],
        amax_compute_algo=values["fp8_amax_compute_algo"],
    )
