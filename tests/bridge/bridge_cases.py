"""What the tests run in Megatron-Bridge's environment: `python bridge_cases.py CASE ARGUMENT...`, by hand too."""

import sys
from pathlib import Path
from typing import Any

import torch
from write_checkpoints import on_cpu, seed, write_builder, write_plain, write_trained

BASES = torch.tensor(list(b"ACGT"))[torch.randint(0, 4, (2, 64), generator=torch.Generator().manual_seed(0))]


def load(checkpoint: Path, out: Path) -> None:
    """Logits [2, 64, 256] of the checkpoint, as Bridge loads it, and what its tokenizer makes of a sequence.

    Over as many ranks as there are, tensor parallel. The first one saves.
    """
    import os

    import torch.distributed as dist
    from megatron.bridge.training.model_load_save import build_and_load_model, load_model_config, load_tokenizer
    from megatron.core import parallel_state

    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    dist.init_process_group(
        "gloo", init_method=f"file://{out}.store", rank=int(os.environ.get("RANK", "0")), world_size=ranks
    )
    parallel_state.initialize_model_parallel(tensor_model_parallel_size=ranks)
    seed()
    config, _ = load_model_config(str(checkpoint))
    on_cpu(config, tensor_model_parallel_size=ranks)
    model: Any = build_and_load_model(str(checkpoint), config, use_cpu_init=True, skip_temp_dist_context=True)
    mask = torch.triu(torch.ones(1, 1, 64, 64, dtype=torch.bool), 1)
    with torch.no_grad():
        part = model[0].eval()(input_ids=BASES, position_ids=torch.arange(64).expand(2, -1), attention_mask=mask)
    parts = [torch.empty_like(part) for _ in range(ranks)]
    dist.all_gather(parts, part.contiguous())
    tokenizer = load_tokenizer(str(checkpoint), tokenizer_model=str(checkpoint / "tokenizer"))
    if dist.get_rank() == 0:
        torch.save({"logits": torch.cat(parts, -1), "tokens": tokenizer.tokenize("ACGTacgtN")}, out)


def places(out: Path) -> None:
    """Settings of the 8B run whose place Megatron-Bridge's own configuration does not have, and some of its values."""
    import json
    from types import SimpleNamespace
    from unittest.mock import patch

    from configs.compose import compose_config
    from configs.settings import rows
    from launch.preflight.check import check_config
    from recipes.bridge import container
    from recipes.bridge.optimizer import WeightDecay
    from training.bridge.data import GenomicDatasets
    from training.places import ABSENT, at, write_settings

    graphs = ("parallelism.cuda_graphs=transformer_engine", "parallelism.recompute_layers=0")
    adapters = ("lora.dim=8", "finetune=true", f"init_from={out.parent}")
    config = compose_config("train_8b_opengenome2", ["engine=bridge", *graphs, *adapters])
    absent: list[str] = []

    def look(sections: Any, *others: Any, **more: Any) -> None:
        ours = ("schedule.", "guard.")
        every = [place for row in rows(type(config)) for place in row.bridge if not place.startswith(ours)]
        absent.extend(place for place in every if at(sections, place) is ABSENT)
        write_settings(sections, *others, **more)

    parts = SimpleNamespace(
        dataset=GenomicDatasets(), schedule=SimpleNamespace(), guard=SimpleNamespace(), weight_decay=WeightDecay()
    )
    with patch.object(container, "write_settings", look):
        made = container.container(config, *check_config(config), parts)
    named = {
        "layers": made.model.num_layers,
        "moments": str(made.optimizer.exp_avg_dtype),
        "precision_aware": made.optimizer.use_precision_aware_optimizer,
        "graphs": made.model.cuda_graph_impl,
        "tracker": made.rng.te_rng_tracker,
        "rank": made.peft.dim,
        "overlap": made.ddp.overlap_param_gather,
        "dtype": str(made.model.params_dtype),
    }
    out.write_text(json.dumps({"absent": absent, **named}))


def main(arguments: list[str]) -> None:
    from training.bridge.packages import mended_packages
    from training.bridge.stand_in import bridge_stand_in

    case, *paths = arguments
    cases = {"load": load, "plain": write_plain, "builder": write_builder, "trained": write_trained, "places": places}
    with mended_packages(), bridge_stand_in():
        cases[case](*map(Path, paths))


if __name__ == "__main__":
    main(sys.argv[1:])
