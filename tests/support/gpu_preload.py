"""What the server of `gpu_process` imports: Transformer Engine on emulated kernels, and then NeMo."""

import benchmarks.emulated_gpu.engine  # noqa: F401  isort: skip
import recipes.factories  # noqa: F401
