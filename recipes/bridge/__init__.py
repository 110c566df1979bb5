"""The second training engine, Megatron-Bridge: a run from the same configuration. Experimental; docs/engines.md."""
