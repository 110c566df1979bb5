"""The roof: the `genomic-llama` command. Each command imports what it needs when it runs."""
