"""Snakemake wrapper: `genomic-llama variants`. Input: model, fasta, vcf; output: vcf (NAME.vcf.gz), NAME.tsv; with
params.extra="--label KEY" NAME.metrics.json too."""

from snakemake.shell import shell

END = ".vcf.gz"
given, vcf = snakemake.input, str(snakemake.output.vcf)  # noqa: F821 - Snakemake provides it
if not vcf.endswith(END):
    raise ValueError(f"output.vcf={vcf} does not end with {END}. Name it NAME{END}; NAME.tsv is written beside it.")
out = vcf.removesuffix(END)
extra = snakemake.params.get("extra", "")  # noqa: F821
log = snakemake.log_fmt_shell(stdout=True, stderr=True)  # noqa: F821
shell(
    "OMP_NUM_THREADS={snakemake.threads} genomic-llama variants {given.model:q} {given.fasta:q} {given.vcf:q} "
    "--out {out:q} {extra} {log}"
)
