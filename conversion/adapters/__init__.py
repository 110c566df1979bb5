"""Low-rank adapters: NeMo's and PEFT's, read as data, merged into their base, and written for PEFT."""
