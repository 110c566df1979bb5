"""What the kernels of Transformer Engine 2.9 compute, in torch operations on any device.

Arguments and checks are those of transformer_engine/pytorch/csrc/extensions/*.cpp at v2.9. Sums are in fp32.
"""
