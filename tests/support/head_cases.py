"""What is asked of the losses of heads, in a process that has NeMo."""


def check_losses() -> None:
    """Class weights and smoothing as PyTorch has them, over the count; what has no label, or pads, counts nothing."""
    import torch
    from torch.nn import functional

    from training.heads.loss import HeadLoss

    torch.manual_seed(0)
    logits, labels, real = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([1.0, 1, 1, 1, 1, 0])
    weights = [0.5, 1.0, 1.5]
    loss = HeadLoss(kind="classify", class_weights=weights, label_smoothing=0.1)
    losses, count = loss.losses(logits, labels, real)
    wanted = functional.cross_entropy(
        logits[:5], labels[:5], torch.tensor(weights), reduction="none", label_smoothing=0.1
    )
    torch.testing.assert_close(losses, torch.cat([wanted, torch.zeros(1)]))
    assert count == 5
    logits, labels = torch.randn(2, 4, 3), torch.tensor([[0, -100, 2, 1], [-100, -100, 1, -100]])
    losses, count = HeadLoss(kind="tokens").losses(logits, labels, torch.ones(2))
    wanted = functional.cross_entropy(logits.permute(0, 2, 1), labels, reduction="none").sum(1)
    torch.testing.assert_close(losses, wanted)
    assert count == 4
    logits, labels = torch.randn(2, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    losses, count = HeadLoss(kind="multilabel", class_weights=[3.0, 0.5], label_smoothing=0.2).losses(
        logits, labels, torch.tensor([1.0, 0.0])
    )
    each = functional.binary_cross_entropy_with_logits(logits[0], torch.tensor([0.9, 0.1]), reduction="none")
    torch.testing.assert_close(losses, torch.stack([(each * torch.tensor([3.0, 1.0])).mean(), torch.tensor(0.0)]))
    assert count == 1
    values, track = torch.randn(1, 3, 1), torch.tensor([[1.0, float("nan"), -1.0]])
    losses, count = HeadLoss(kind="track").losses(values, track, torch.ones(1))
    torch.testing.assert_close(losses[0], (values[0, 0, 0] - 1) ** 2 + (values[0, 2, 0] + 1) ** 2)
    assert count == 2
