"""A GPU emulated on the CPU, so that the GPU recipes run in the tests. No kernel of NVIDIA's runs here.

Transformer Engine's own Python runs; the functions of its compiled extension are written again in torch operations
(`kernels/`). torch, Lightning, NeMo and Megatron-Core are told that there are GPUs (`devices`), and gloo stands in for
NCCL (`collectives`). What this cannot show: speed, memory fragmentation, the rounding of the real kernels, NCCL.

The same functions are compared with the real kernels by `python -m benchmarks.gpu`, on a machine with a GPU.
"""
