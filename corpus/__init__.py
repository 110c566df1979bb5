"""From FASTA to batches: records, splits, Megatron's indexed dataset, samples, and NeMo's data module.

Imports conduct, configs and tokenizer of ours. Only `data_module` imports torch, Lightning and NeMo.
"""
