"""Snakemake wrapper: `genomic-llama prepare`. Input: sources; output: directory(...) of the corpus; params.extra."""

from snakemake.shell import shell

extra = snakemake.params.get("extra", "")  # noqa: F821 - Snakemake provides it
log = snakemake.log_fmt_shell(stdout=True, stderr=True)  # noqa: F821
shell(
    "genomic-llama prepare {snakemake.input:q} --out {snakemake.output[0]:q} --processes {snakemake.threads} "
    "{extra} {log}"
)
