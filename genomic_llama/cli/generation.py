"""New sequence."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluation.limits import MOST
from foundation.errors import InputError
from foundation.terminal import print_lines, warn
from genomic_llama.cli.options import Adapter, Dtype, EngineName, FittingBatchSize, Model, ModelDtype, Overwrite, Tag
from genomic_llama.cli.sharding import Devices, Processes, RayAddress, Sharding, ShardOption, carry_out

if TYPE_CHECKING:
    from evaluation.generation.decode import Generated
    from evaluation.generation.sampling import Sampling

commands = typer.Typer()


class Engine(str, Enum):
    own = "own"
    ray = "ray"
    vllm = "vllm"


@commands.command()
def generate(
    model: Model,
    out: Annotated[Path, typer.Option(help="FASTA file to write.", show_default=False)],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Bases to continue, optionally after a |tag|; can be repeated.", show_default=False),
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="FASTA file of prompts.", show_default=False)] = None,
    length: Annotated[int | None, typer.Option(help="Maximum number of new bases.", min=1, show_default="500")] = None,
    until_eos: Annotated[
        bool, typer.Option("--until-eos", help="Continue until EOS, or until the model's positions are full.")
    ] = False,
    min_length: Annotated[int, typer.Option(help="Minimum number of new bases before EOS.", min=1)] = 1,
    samples: Annotated[int, typer.Option(help="Sequences per prompt.", min=1, max=MOST)] = 1,
    temperature: Annotated[
        float, typer.Option(help="Sampling temperature; 0: always the most likely base.", min=0)
    ] = 1.0,
    top_k: Annotated[int, typer.Option(help="Sample from the k most likely bases; 0: all.", min=0)] = 0,
    top_p: Annotated[float, typer.Option(help="Sample from the most likely bases with this total probability.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Drop bases below this share of the highest probability.")] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Divide the probability of a base that would complete a repeated word; 1: no penalty.")
    ] = 1.0,
    repetition_length: Annotated[int, typer.Option(help="Length of such a word, in bases.", min=1)] = 12,
    forbid: Annotated[
        list[str] | None,
        typer.Option(help="Motif that must not appear, in IUPAC letters; can be repeated.", show_default=False),
    ] = None,
    forbid_both_strands: Annotated[
        bool, typer.Option("--forbid-both-strands", help="Forbid the reverse complements of the motifs too.")
    ] = False,
    gc: Annotated[
        str | None,
        typer.Option(help="Allowed GC share, e.g. 0.4-0.6; other sequences are redrawn.", show_default=False),
    ] = None,
    tries: Annotated[int, typer.Option(help="Draws per sequence before it is left out.", min=1)] = 20,
    alphabet: Annotated[str, typer.Option(help="Letters that may be generated; EOS ends a sequence.")] = "ACGT",
    seed: Annotated[int, typer.Option(help="The same seed gives the same sequences.", min=0)] = 0,
    with_prompt: Annotated[
        bool, typer.Option("--with-prompt", help="Write each prompt before its continuation.")
    ] = False,
    per_base: Annotated[
        Path | None,
        typer.Option(
            help="Write each new base's natural-log probability: .bedgraph[.gz], .bw, .parquet.", show_default=False
        ),
    ] = None,
    tag: Tag = None,
    adapter: Adapter = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    engine: Annotated[
        Engine, typer.Option(help="What runs the model: this program, this program on Ray, or vLLM.")
    ] = Engine.own,
    overwrite: Overwrite = False,
    shard: ShardOption = None,
    processes: Processes = None,
    devices: Devices = None,
    ray_address: RayAddress = None,
) -> None:
    """Generate DNA that continues a prompt, base by base.

    Finished outputs are not recomputed unless an input or a setting differs.
    """
    spread = EngineName.ray if engine is Engine.ray else EngineName.local
    cut = Sharding(shard=shard, processes=processes, devices=devices, engine=spread, ray_address=ray_address)
    warn(f"Generating with {model}")
    from evaluation.generation.request import GenerateRequest
    from evaluation.generation.sampling import Sampling, parse_gc

    if until_eos and length is not None:
        fix = "Leave out one of them."
        raise InputError("--until-eos and --length contradict each other", fix=fix, kind="until-eos-and-length")
    sampling = Sampling(
        length=None if until_eos else length or 500, min_length=min_length, samples=samples, temperature=temperature,
        top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty,
        repetition_length=repetition_length, forbid=tuple(forbid or ()), forbid_both_strands=forbid_both_strands,
        gc=None if gc is None else parse_gc(gc), tries=tries, alphabet=alphabet, seed=seed,
    )  # fmt: skip
    request = GenerateRequest(
        model=model, out=out, prompt=tuple(prompt or ()), prompts=prompts, sampling=sampling, with_prompt=with_prompt,
        per_base=per_base, tag=tag, adapter=adapter, dtype=dtype.value, batch_size=batch_size,
        engine="vllm" if engine is Engine.vllm else "own",
    )  # fmt: skip
    if timed := carry_out(request, cut, overwrite=overwrite).timed:
        _summarise(timed.result, len(request.given) * samples, sampling, timed.seconds, out)


def _summarise(generated: "Sequence[Generated]", wanted: int, sampling: "Sampling", seconds: float, out: Path) -> None:
    from foundation.pages.quantities import plural

    if missing := wanted - len(generated):
        low, high = sampling.gc or (0, 1)
        warn(
            f"warning: {plural(missing, 'sequence')} of {wanted:,} had a GC share outside {low:g} to {high:g} "
            f"{sampling.tries} times, and {'is' if missing == 1 else 'are'} left out"
        )
    bases = sum(len(one.ids) for one in generated)
    made = f"{plural(len(generated), 'sequence')}, {plural(bases, 'new base')}"
    redrawn = f", {sum(one.tries - 1 for one in generated):,} redrawn for their GC share" if sampling.gc else ""
    print_lines(f"{made}{redrawn}, {bases / seconds:,.0f} bases/s; wrote {out}")
