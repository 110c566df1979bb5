"""Adapters three ways, in a process of its own: beside the weights, merged by NeMo, and in the Hugging Face export."""

import json
from pathlib import Path
from typing import Any


def compare_merged(checkpoint: Path, exported: Path, base: Path, out: Path) -> None:
    """Largest differences of logits on random bases, [2, 64]: each with what NeMo's own merge gives."""
    import torch
    from nemo import lightning as nl
    from nemo.collections.llm.peft import api
    from nemo.collections.llm.peft.lora import LoRAMerge
    from transformers import LlamaForCausalLM

    from training.cpu.strategy import CpuMegatronStrategy
    from training.forward import causal_forward_step

    tokens = torch.tensor(list(b"ACGT"))[torch.randint(4, (2, 64), generator=torch.Generator().manual_seed(1))]
    batch = {"tokens": tokens, "position_ids": torch.arange(64).expand(2, -1)}
    model, lora = api._load_base_model_and_lora(checkpoint)
    model.config.bf16, model.config.params_dtype = False, torch.float32
    strategy = CpuMegatronStrategy(ddp="pytorch", setup_optimizers=False)
    trainer = nl.Trainer(accelerator="cpu", devices=1, strategy=strategy, logger=False)
    api._setup_trainer_and_restore_model_and_adapter(checkpoint, trainer, model, lora)
    network: Any = model.module.eval()
    with torch.no_grad():
        beside = causal_forward_step(network, batch)
        LoRAMerge()(strategy.megatron_parallel)
        for module in network.modules():
            if hasattr(module, "adapter"):
                module.adapter.linear_out.weight.zero_()  # NeMo leaves it in place
        merged = causal_forward_step(network, batch)
        strategy.teardown()
        hf = {
            name: LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)(tokens).logits
            for name, folder in (("exported", exported), ("base", base))
        }
    others = {"beside": beside, **hf}
    out.write_text(json.dumps({name: float((logits - merged).abs().max()) for name, logits in others.items()}))
