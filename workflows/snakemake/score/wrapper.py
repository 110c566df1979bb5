"""Snakemake wrapper: `genomic-llama score`. Input: model, source (FASTA or corpus), bed; output: JSON, per_base."""

from snakemake.shell import shell

given = snakemake.input  # noqa: F821 - Snakemake provides it
extra = snakemake.params.get("extra", "")  # noqa: F821
bed, per_base = given.get("bed", ""), snakemake.output.get("per_base", "")  # noqa: F821
options = (f"--bed {bed} " if bed else "") + (f"--per-base {per_base} " if per_base else "")
log = snakemake.log_fmt_shell(stdout=True, stderr=True)  # noqa: F821
shell(
    "OMP_NUM_THREADS={snakemake.threads} genomic-llama score {given.model:q} {given.source:q} "
    "--out {snakemake.output[0]:q} {options} {extra} {log}"
)
