"""The usual hand-written converter: transformers loads the model, a loop renames, Megatron-Core saves `torch_dist`."""

import sys
import tempfile
from pathlib import Path

import torch
from megatron.core import dist_checkpointing, parallel_state
from megatron.core.dist_checkpointing import ShardedTensor
from transformers import AutoModelForCausalLM

from training.cpu.stand_in import cpu_stand_in


def fuse_qkv(state: dict[str, torch.Tensor], layer: str, groups: int) -> torch.Tensor:
    """The query heads, key and value of each group together."""
    parts = [state[f"{layer}.self_attn.{name}_proj.weight"] for name in "qkv"]
    blocks = [part.view(groups, -1, part.shape[-1]) for part in parts]
    return torch.cat(blocks, dim=1).reshape(-1, parts[0].shape[-1])


def megatron_state(source: str) -> dict[str, torch.Tensor]:
    """The model in `source` under Megatron-Core's names, layers one by one."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    state, groups = model.state_dict(), model.config.num_key_value_heads
    result = {
        "module.embedding.word_embeddings.weight": state["model.embed_tokens.weight"],
        "module.decoder.final_layernorm.weight": state["model.norm.weight"],
        "module.output_layer.weight": state["lm_head.weight"],
    }
    for index in range(model.config.num_hidden_layers):
        hf, name = f"model.layers.{index}", f"module.decoder.layers.{index}"
        gate_up = [state[f"{hf}.mlp.{part}_proj.weight"] for part in ("gate", "up")]
        result |= {
            f"{name}.self_attention.linear_qkv.layer_norm_weight": state[f"{hf}.input_layernorm.weight"],
            f"{name}.self_attention.linear_qkv.weight": fuse_qkv(state, hf, groups),
            f"{name}.self_attention.linear_proj.weight": state[f"{hf}.self_attn.o_proj.weight"],
            f"{name}.mlp.linear_fc1.layer_norm_weight": state[f"{hf}.post_attention_layernorm.weight"],
            f"{name}.mlp.linear_fc1.weight": torch.cat(gate_up),
            f"{name}.mlp.linear_fc2.weight": state[f"{hf}.mlp.down_proj.weight"],
        }
    return result


def main(source: str, destination: str) -> None:
    """Convert `source` to the shards of the checkpoint `destination`."""
    weights = Path(destination) / "weights"
    weights.mkdir(parents=True)
    with tempfile.NamedTemporaryFile() as store, cpu_stand_in():
        torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        state = {key: ShardedTensor.from_rank_offsets(key, value) for key, value in megatron_state(source).items()}
        dist_checkpointing.save(state, str(weights))
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
