"""Tiny random models with other vocabularies than ours: 6-mers, a BPE, bytes; of three architectures."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SPECIAL = ["<pad>", "<unk>", "<bos>", "<eos>"]
KMERS = [*SPECIAL, *("".join(letters) for letters in product("ACGT", repeat=6)), "A", "C", "G", "T", "N"]


def _six_mers(folder: Path) -> None:
    """Six-mers from the left, single letters for the rest: the Nucleotide Transformer's way, with a BOS."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(KMERS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[ACGT]{6}|."), behavior="isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    ).save_pretrained(folder)


def _bpe(folder: Path) -> None:
    from tokenizers import Tokenizer, models, trainers
    from transformers import PreTrainedTokenizerFast

    random = np.random.default_rng(0)
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(["".join(random.choice(list("ACGT"), 400)) for _ in range(20)], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)


def _none(folder: Path) -> None:
    """Bytes, as Evo has them."""


TOKENIZERS: dict[str, tuple[Callable[[Path], None], int]] = {
    "6-mers": (_six_mers, len(KMERS)), "bpe": (_bpe, 64), "bytes": (_none, 512)
}  # fmt: skip


def _model(architecture: str, vocabulary: int) -> Any:
    import torch
    import transformers

    torch.manual_seed(5)
    kind = getattr(transformers, f"{architecture}Config")
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    shape |= {} if architecture == "GPTNeoX" else {"num_key_value_heads": 1}
    config = kind(vocab_size=vocabulary, max_position_embeddings=16, initializer_range=0.3, **shape)
    return getattr(transformers, f"{architecture}ForCausalLM")(config)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory for each vocabulary."""
    folder = tmp_path_factory.mktemp("others")
    for (name, (write, size)), architecture in zip(TOKENIZERS.items(), ("Qwen2", "GPTNeoX", "Llama"), strict=True):
        _model(architecture, size).save_pretrained(folder / name)
        write(folder / name)
    return {name: folder / name for name in TOKENIZERS}
