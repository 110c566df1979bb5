"""Rows of `benchmarks.inference` that read sequence: embeddings, and mutants in windows."""

from functools import partial
from typing import Any

from benchmarks.turns import Turn, Turns, take_turns

POSITIONS = 2048
_WARM_UP = 4
"""Sequences, or bases, of the first turn."""


def embed(sequences: int, batches: tuple[int, ...], rounds: int, threads: int) -> dict[str, list[Turn]]:
    """Embeddings of sequences of 200 to 2,000 bases: a plain loop of transformers, sorted by length, with a mask."""
    players: dict[str, Any] = {"ours": _our_embed}
    players |= {f"transformers, batches of {size}": partial(_their_embed, size=size) for size in batches}
    return take_turns(players, (sequences, rounds + 1, threads), rounds=rounds, steps=1)


def bases_of(sequences: int) -> int:
    """What `embed` reads."""
    return sum(len(region.ids) for region in _regions(sequences))


def mutate(bases: int, batches: tuple[int, ...], rounds: int, threads: int) -> dict[str, list[Turn]]:
    """All SNVs in windows of 2,048 bases: every distinct window whole, in batches, references once."""
    players: dict[str, Any] = {"ours": _our_mutate}
    players |= {f"whole windows, batches of {size}": partial(_their_mutate, size=size) for size in batches}
    return take_turns(players, (bases, rounds + 1, threads), rounds=rounds, steps=1)


def _our_embed(turns: Turns, sequences: int, times: int, threads: int) -> None:
    from evaluation.embedding.embedding import embed_regions
    from evaluation.likelihood.attention import use_attention
    from evaluation.likelihood.likelihood import plan_reading

    model = _model(threads)
    use_attention(model)
    for regions in _shares(sequences, times):
        found = list(embed_regions(model, regions, plan_reading(model), layer=-1, pooling="mean"))
        turns.step(float(sum(one.values.sum() for one in found)))


def _their_embed(turns: Turns, sequences: int, times: int, threads: int, *, size: int) -> None:
    import numpy as np
    import torch

    model = _model(threads)
    for regions in _shares(sequences, times):
        order = sorted(range(len(regions)), key=lambda number: -len(regions[number].ids))
        means = np.zeros((len(regions), model.config.hidden_size), np.float32)
        for first in range(0, len(regions), size):
            batch = order[first : first + size]
            longest = len(regions[batch[0]].ids)
            tokens, mask = torch.ones(len(batch), longest, dtype=torch.long), torch.zeros(len(batch), longest)
            for row, number in enumerate(batch):
                ids = torch.from_numpy(regions[number].ids.astype(np.int64))
                tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
            with torch.inference_mode():
                output = model.model(input_ids=tokens, attention_mask=mask.long(), use_cache=False)
            sums = (output.last_hidden_state * mask[..., None]).sum(dim=1)
            means[batch] = (sums / mask.sum(dim=1, keepdim=True)).numpy()
        turns.step(float(means.sum()))


def _our_mutate(turns: Turns, bases: int, times: int, threads: int) -> None:
    from evaluation.likelihood.attention import use_attention
    from evaluation.mutation.mutants import Kinds
    from evaluation.mutation.mutation_map import mutate_regions

    model = _model(threads)
    use_attention(model)
    for turn in range(times):
        contig, region, placement = _site(bases if turn else _WARM_UP)
        (found,) = mutate_regions(model, [region], {"c": contig}, placement, Kinds(), strand="forward")
        turns.step(sum(effect.delta for effect in found.effects if effect))


def _their_mutate(turns: Turns, bases: int, times: int, threads: int, *, size: int) -> None:
    import numpy as np
    import torch

    from evaluation.mutation.mutants import Kinds, list_mutants
    from evaluation.variants.windows import Strand, place

    model = _model(threads)
    for turn in range(times):
        contig, region, placement = _site(bases if turn else _WARM_UP)
        strand = Strand(contig=contig, reverse=False)
        mutants = list_mutants(region, contig, Kinds())
        placed = [place(mutant.allele, number, strand, placement) for number, mutant in enumerate(mutants)]
        keys = list(dict.fromkeys(one.key for one in placed))
        windows = [strand.slice(key.start, key.end) for key in keys] + [one.ids for one in placed]
        sums: list[float] = []
        for first in range(0, len(windows), size):
            tokens = torch.from_numpy(np.stack(windows[first : first + size]).astype(np.int64))
            with torch.inference_mode():
                logs = model(tokens, use_cache=False).logits.float().log_softmax(dim=-1)
            sums += logs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0].double().sum(dim=1).tolist()
        turns.step(sum(sums[len(keys) + number] - sums[keys.index(one.key)] for number, one in enumerate(placed)))


def _site(bases: int) -> tuple[Any, Any, Any]:
    """A contig, the region in its middle, and windows of 2,048 bases as `mutate` places them."""
    from evaluation.likelihood.regions import Region
    from evaluation.mutation.mutation_map import plan_mutation_windows

    contig = _random(8000, seed=1)
    region = Region(name="r", contig="c", start=4000, ids=contig[4000 : 4000 + bases])
    return contig, region, plan_mutation_windows(POSITIONS)


def _shares(sequences: int, times: int) -> list[list[Any]]:
    """What is read in each turn: in the first, which warms up, a few sequences, and then a share of all."""
    regions, rounds = _regions(sequences), times - 1
    return [regions[:_WARM_UP], *(regions[number::rounds] for number in range(rounds))]


def _regions(sequences: int) -> list[Any]:
    import numpy as np

    from evaluation.likelihood.regions import Region

    lengths = np.random.default_rng(0).integers(200, 2001, size=sequences)
    return [Region(name=str(n), ids=_random(int(length), seed=n)) for n, length in enumerate(lengths)]


def _random(length: int, *, seed: int) -> Any:
    import numpy as np

    return np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), size=length)


def _model(threads: int) -> Any:
    """A random Llama of the demo's size with 2,048 positions, as transformers makes it."""
    import dataclasses

    import torch
    from transformers import LlamaForCausalLM

    from configs.llama import read_architecture
    from conversion.huggingface.live_model import llama_config

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    architecture = dataclasses.replace(
        read_architecture("llama3_tiny_genomic_config"), max_position_embeddings=POSITIONS
    )
    return LlamaForCausalLM(llama_config(architecture)).float().eval()
