"""New sequence."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_writable
from foundation.errors import InputError
from foundation.terminal import say, warn
from genomic_llama.cli.options import Adapter, BatchSize, Dtype, Model, ModelDtype, Overwrite, Tag

commands = typer.Typer()


@commands.command()
def generate(
    model: Model,
    out: Annotated[Path, typer.Option(help="FASTA file to write.", show_default=False)],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Bases to continue, after a |tag| or without; can be repeated.", show_default=False),
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="FASTA file of prompts.", show_default=False)] = None,
    length: Annotated[int, typer.Option(help="New bases, at most.", min=1)] = 500,
    samples: Annotated[int, typer.Option(help="Sequences of each prompt.", min=1, max=1_000_000)] = 1,
    temperature: Annotated[float, typer.Option(help="Below 1: likelier bases; 0: the likeliest.", min=0)] = 1.0,
    top_k: Annotated[int, typer.Option(help="Only the k likeliest bases; 0: all.", min=0)] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest bases that have this much together.")] = 1.0,
    alphabet: Annotated[str, typer.Option(help="What may be written, beside EOS, which ends a sequence.")] = "ACGT",
    seed: Annotated[int, typer.Option(help="The same seed gives the same sequences.", min=0)] = 0,
    with_prompt: Annotated[
        bool, typer.Option("--with-prompt", help="Write the prompt before what follows it.")
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
    batch_size: BatchSize = 8,
    overwrite: Overwrite = False,
) -> None:
    """Continue a prompt: new DNA, base by base, each with its log-probability.

    Outputs that are finished are not computed again, unless an input or a setting differs.
    """
    warn(f"Generating {length:,} bases with {model}")
    import time

    from configs.llama import read_architecture
    from evaluation.finished import Work, describe
    from evaluation.generation.generated_files import read_prompts, write_generated
    from evaluation.generation.generation import Sampling, check_prompts
    from evaluation.generation.generation import generate as generate_bases
    from evaluation.likelihood.model import check_directory, load_model
    from evaluation.likelihood.tracks import check_track
    from foundation.pages.quantities import plural
    from tokenizer.sequence import not_nucleotides

    if strange := not_nucleotides(alphabet.encode("utf-8", "replace")):
        raise InputError(
            f"the alphabet has {strange.decode('latin-1')!r}, no nucleotides",
            fix="Give --alphabet ACGT.",
            kind="alphabet",
        )
    if set("Uu") & set(alphabet):
        fix = "Give --alphabet ACGT: models learn RNA written with T."
        raise InputError(f"the alphabet {alphabet!r} has U", fix=fix, kind="alphabet")
    if per_base is not None:
        check_track(per_base)
    given = read_prompts(prompt or [], prompts, tag=tag)
    sampling = Sampling(
        length=length, samples=samples, temperature=temperature, top_k=top_k, top_p=top_p,
        alphabet=alphabet.encode(), seed=seed,
    )  # fmt: skip
    check_writable(out, per_base)
    check_directory(model, adapter)
    check_prompts(given, sampling, read_architecture(model).max_position_embeddings)
    work = Work(
        command="generate",
        model=model,
        adapter=adapter,
        sources={"prompts": prompts},
        settings={
            "prompt": prompt or [], "tag": tag, "length": length, "samples": samples, "temperature": temperature,
            "top_k": top_k, "top_p": top_p, "alphabet": alphabet, "seed": seed, "with_prompt": with_prompt,
            "dtype": dtype.value,
        },
        files=[path for path in (out, per_base) if path is not None],
        overwrite=overwrite,
    )  # fmt: skip
    if files := work.finished():
        say(describe(files))
        return
    loaded = load_model(model, dtype.value, adapter=adapter)
    started = time.perf_counter()
    generated = generate_bases(loaded, given, sampling, batch_size=batch_size)
    seconds = time.perf_counter() - started
    write_generated(generated, out, with_prompt=with_prompt, per_base=per_base)
    work.finish()
    bases = sum(len(one.ids) for one in generated)
    made = f"{plural(len(generated), 'sequence')}, {plural(bases, 'new base')}"
    say(f"{made}, {bases / seconds:,.0f} bases/s; wrote {out}")
