"""The vocabulary as a NeMo tokenizer: the rim that plugs it into recipes, checkpoints and data modules."""

from collections.abc import Sequence

from nemo.collections.common.tokenizers.tokenizer_spec import TokenizerSpec
from nemo.lightning import io

from tokenizer.sequence import decode, encode
from tokenizer.vocabulary import BOS, EOS, PAD, SEP, TOKENS, UNK, VOCAB_SIZE


class NucleotideTokenizer(TokenizerSpec, io.IOMixin):  # type: ignore[misc]
    """256 tokens, one a byte. Takes no arguments, so that a checkpoint's context restores it anywhere.

    `bos_id` is defined because NeMo's exporters ask for it; nothing here ever adds a BOS.
    """

    vocab_size = VOCAB_SIZE
    eos_id, eod_id = EOS.id, EOS.id
    pad_id, bos_id, sep_id, unk_id = PAD.id, BOS.id, SEP.id, UNK.id

    def __init__(self) -> None:
        super().__init__()

    def text_to_ids(self, text: str) -> list[int]:
        ids: list[int] = encode(text).tolist()
        return ids

    def ids_to_text(self, ids: Sequence[int], remove_special_tokens: bool = True) -> str:
        return decode(ids, skip_special_tokens=remove_special_tokens)

    def text_to_tokens(self, text: str) -> list[str]:
        return self.ids_to_tokens(self.text_to_ids(text))

    def tokens_to_text(self, tokens: Sequence[str]) -> str:
        return self.ids_to_text(self.tokens_to_ids(tokens))

    def tokens_to_ids(self, tokens: Sequence[str]) -> list[int]:
        return [_ID_OF.get(token, UNK.id) for token in tokens]

    def ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [TOKENS[id] for id in ids]

    def tokenize(self, text: str) -> list[int]:
        """Megatron-Core's name for `text_to_ids`."""
        return self.text_to_ids(text)

    def detokenize(self, ids: Sequence[int]) -> str:
        """Megatron-Core's name for `ids_to_text`."""
        return self.ids_to_text(ids)


_ID_OF = {token: id for id, token in enumerate(TOKENS)}
