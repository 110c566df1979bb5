"""Emulated FP8 casts against plain formulas in fp64."""

import torch
from plain_formulas import FP32, by_blocks, by_tiles, close, current, delayed, in_fp8, random, tiled


def casts_with_delayed_scaling() -> None:
    """Values, largest value, and the transposed copy, in both formats; values above the range saturate."""
    for form in ("e4m3", "e5m2"):
        x = random(16, 32) * 4
        quantizer = delayed(2.0, form)
        low = quantizer(x)
        scale = float(quantizer.scale)
        close(low.dequantize(dtype=torch.float32), in_fp8(x.double() * scale, form) / scale, FP32)
        assert float(quantizer.amax) == float(x.abs().max())
        assert torch.equal(low._transpose, low._data.t())
        assert not low._transpose_invalid


def casts_with_current_scaling() -> None:
    x = random(16, 32)
    quantizer = current(0.0)
    low = quantizer(x)
    scale = 448.0 / float(x.abs().max())
    close(quantizer.scale, torch.tensor([scale]), FP32)
    close(low.dequantize(dtype=torch.float32), in_fp8(x.double() * scale) / scale, FP32)


def casts_in_blocks() -> None:
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.mxfp8_tensor import MXFP8Quantizer

    x = random(64, 96) * torch.exp2(torch.randint(-20, 20, (64, 96)).float())
    x[:32, :32] = 0
    low = MXFP8Quantizer(tex.DType.kFloat8E4M3)(x)
    assert torch.equal(low.dequantize(dtype=torch.float32).double(), by_blocks(x))
    assert low._rowwise_scale_inv.shape == (128, 4)
    assert low._columnwise_scale_inv.shape == (4, 128)


def casts_in_tiles() -> None:
    """Of 1 x 128 and 128 x 128, along rows and along columns, also where the last tile is not full."""
    x = random(160, 192) * torch.exp2(torch.randint(-8, 8, (160, 192)).float())
    x[:128, :128] = 0
    for rows in (1, 128):
        low = tiled(rows)(x)
        assert torch.equal(low.dequantize(dtype=torch.float32).double(), by_tiles(x, rows))
        low.update_usage(rowwise_usage=False, columnwise_usage=True)
        assert torch.equal(low.dequantize(dtype=torch.float32).double(), by_tiles(x.t(), rows).t())


def transposes() -> None:
    import transformer_engine_torch as tex

    data = torch.randint(0, 255, (4, 6, 8), dtype=torch.uint8)
    assert torch.equal(tex.fp8_transpose(data, tex.DType.kFloat8E4M3, out=None), data.permute(2, 0, 1))


def history_of_largest_values() -> None:
    """Rolled by a step, the scale from its maximum or its newest value; nothing changes where a layer did not run."""
    import transformer_engine_torch as tex

    for algorithm in ("max", "most_recent"):
        history = torch.tensor([[3.0, 0.0], [7.0, 1.0], [2.0, 1.0]])
        scale = torch.tensor([1.0, 5.0])
        tex.fused_amax_and_scale_update_after_reduction(
            torch.tensor([4.0, 0.0]), [history], [scale], algorithm, tex.DType.kFloat8E4M3, 0
        )
        amax = {"max": [7.0, 0.0], "most_recent": [4.0, 0.0]}[algorithm]
        assert history[:, 0].tolist() == [0.0, 2.0, 4.0]
        assert history[:, 1].tolist() == [0.0, 1.0, 1.0]
        assert scale[0] == 448.0 / amax[0]
        # Both algorithms keep the scale of a tensor that was all zeros, except that "max" still sees its history.
        assert scale[1] == (448.0 if algorithm == "max" else 5.0)
