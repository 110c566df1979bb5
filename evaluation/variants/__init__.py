"""Effects of variants: VCF in, the change of log-likelihood from the reference to the alternative allele out."""
