"""The store: Megatron's indexed dataset on disk, written and read."""
