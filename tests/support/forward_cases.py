"""The real Megatron model on hand-made batches, each in a process of its own (`nemo_process.run_in_process`)."""

import contextlib
import copy
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np


@contextlib.contextmanager
def tiny_model() -> Iterator[Any]:
    """Megatron-Core's GPTModel as `train_tiny` configures it, fp32, with random weights."""
    import fiddle
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe
    from training.cpu.stand_in import cpu_stand_in

    recipe = pretrain_recipe(compose_config("train_tiny"))
    with tempfile.NamedTemporaryFile() as store, cpu_stand_in():
        torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        torch.manual_seed(1)
        model_parallel_cuda_manual_seed(1)
        model = fiddle.build(recipe.model.config).configure_model(fiddle.build(recipe.data.tokenizer))
        yield model.eval()
        torch.distributed.destroy_process_group()


def logits(model: Any, samples: Sequence[Sequence[Any]], seq_length: int, *, packed: bool) -> Any:
    """Logits [samples, seq_length, vocabulary] of samples of documents (uint8 arrays)."""
    import torch

    from corpus.samples.example import label_weights, make_example, segments
    from training.data.collate import collate
    from training.forward import causal_forward_step, widen

    examples = []
    for documents in samples:
        example = make_example([(document, 0) for document in documents], seq_length, label_weights())
        if packed:
            example["cu_seqlens"] = segments([len(document) - 1 for document in documents], seq_length)
        examples.append(example)
    batch = widen(collate(examples)) | {"labels": None}
    if packed:
        ends = batch["cu_seqlens"].tolist()
        expected = [place - start for start, end in itertools.pairwise(ends) for place in range(start, end)]
        assert batch["position_ids"].flatten().tolist() == [place - ends[0] for place in expected]
    with torch.no_grad():
        return causal_forward_step(model, batch).view(len(samples), seq_length, -1)


def packed_documents_are_alone(out: Path) -> None:
    """Largest differences: packed against alone; the others' after one document was changed; and concatenated."""
    random = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)
    samples = [[random.choice(letters, size=n + 1) for n in lengths] for lengths in ([90, 1, 60, 40], [150, 77], [256])]
    with tiny_model() as model:
        together = logits(model, samples, 256, packed=True)
        apart = [logits(model, [[document]], len(document) - 1, packed=False)[0] for s in samples for document in s]
        changed = copy.deepcopy(samples)
        changed[0][2] = random.choice(letters, size=61)
        after = logits(model, changed, 256, packed=True)
        crossing = logits(model, [[np.concatenate([d[:-1] for d in samples[0]])]], 190, packed=False)[0]
    rows = [(sample, start, len(document) - 1) for sample, s in enumerate(samples) for start, document in placed(s)]
    alone = [
        float((together[sample, start : start + count] - expected).abs().max())
        for (sample, start, count), expected in zip(rows, apart, strict=True)
    ]
    untouched = (together - after).abs().amax(-1)
    of_changed = float(untouched[0, 91:151].max())
    untouched[0, 91:151] = 0
    report = {
        "alone": max(alone),
        "changed": of_changed,
        "untouched": float(untouched.max()),
        "concatenated": float((crossing[91:151] - together[0, 91:151]).abs().max()),
    }
    out.write_text(json.dumps(report))


def placed(documents: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Where each document begins in its sample."""
    start = 0
    for document in documents:
        yield start, document
        start += len(document) - 1


def loss_and_gradient_are_of_the_weighted_mean(corpus: str, run: str, overrides: list[str], out: Path) -> None:
    """Train a step, validate twice; write what was reported, and the same worked out from the batches by hand."""
    import fiddle
    import torch
    from lightning.pytorch.callbacks import Callback

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    class Recorder(Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches: dict[str, list[Any]] = {"train": [], "validation": [], "alone": []}

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            module = pl_module.module
            while hasattr(module, "module"):
                module = module.module
            self.before = copy.deepcopy({name: p.detach() for name, p in module.named_parameters()})
            self.module = module

        def on_megatron_microbatch_end(self, step: Any, batch: Any, output: Any, forward_callback: Any) -> None:
            kind = "alone" if step.trainer.state.fn == "validate" else "validation" if step.forward_only else "train"
            self.batches[kind].append((batch, output.detach().clone()))

    recorder = Recorder()
    pretrain = fiddle.build(pretrain_recipe(compose_config("train_tiny", [f"dataset.corpus={corpus}", *overrides])))
    trainer = pretrain.keywords["trainer"]
    trainer.callbacks.insert(0, recorder)
    pretrain()
    monitored = {"val_loss": float(trainer.callback_metrics["val_loss"])}
    (alone,) = trainer.validate(pretrain.keywords["model"], datamodule=pretrain.keywords["data"])
    rows = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    report: dict[str, Any] = {
        "loss": next(row["loss"] for row in rows if "loss" in row),
        "grad_norm": next(row["grad_norm"] for row in rows if "loss" in row),
        "validation_loss": next(row["validation_loss"] for row in rows if "validation_loss" in row),
        "weights": [float(batch["loss_mask"].sum()) / 100 for batch, _ in recorder.batches["train"]],
        "micro_batches": {kind: len(batches) for kind, batches in recorder.batches.items()},
        **monitored,
        "alone": alone["val_loss"],
        "lines": sum("loss" in row or "validation_loss" in row for row in rows),
    }
    for kind, batches in recorder.batches.items():
        total = sum(float((out.double().view_as(b["loss_mask"]) * b["loss_mask"]).sum()) for b, out in batches)
        report[f"{kind}_by_hand"] = total / sum(float(b["loss_mask"].double().sum()) for b, _ in batches)
    report["mean_of_means"] = mean_of_means([[one] for one in recorder.batches["train"]])
    validation, step = recorder.batches["validation"], report["micro_batches"]["train"]
    report["validation_mean_of_steps"] = mean_of_means(
        [validation[start : start + step] for start in range(0, len(validation), step)]
    )
    report["grad_norm_by_hand"] = gradient_norm(recorder.module, recorder.before, recorder.batches["train"], torch)
    out.write_text(json.dumps(report))


def mean_of_means(groups: Sequence[Sequence[Any]]) -> float:
    """The mean over `groups` of micro-batches of each group's weighted mean loss: what is not asked for."""
    means = [
        sum(float((out.view_as(b["loss_mask"]) * b["loss_mask"]).sum()) for b, out in group)
        / sum(float(b["loss_mask"].sum()) for b, _ in group)
        for group in groups
    ]
    return sum(means) / len(means)


def gradient_norm(module: Any, weights: Any, batches: Sequence[Any], torch: Any) -> float:
    """Of the weighted mean loss over all `batches`, at `weights`."""
    from training.cpu.stand_in import cpu_stand_in
    from training.forward import causal_forward_step

    for name, parameter in module.named_parameters():
        parameter.data.copy_(weights[name])
    with cpu_stand_in():
        losses = [(causal_forward_step(module, b).view(-1) * b["loss_mask"].view(-1)).sum() for b, _ in batches]
        mean = sum(losses) / sum(b["loss_mask"].sum() for b, _ in batches)
        gradients = torch.autograd.grad(mean, list(module.parameters()))
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())
