"""The vocabulary: a token's id is its byte value, except that ids 0 to 4 are the special tokens.

Token for token equal to BioNeMo's `nucleotide_fast_tokenizer_256` on bytes 4 to 255
(bionemo-recipes/recipes/evo2_megatron/tokenizers); there id 3 is `<UNK>` and id 4 the byte 4.
"""

from dataclasses import dataclass

VOCAB_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class SpecialToken:
    """One reserved id. `interchangeable`: other contents of that id which a foreign tokenizer may have."""

    id: int
    role: str
    content: str
    interchangeable: tuple[str, ...] = ()


EOS = SpecialToken(id=0, role="eos", content="<EOS>")
PAD = SpecialToken(id=1, role="pad", content="<PAD>")
BOS = SpecialToken(id=2, role="bos", content="<BOS>")
SEP = SpecialToken(id=3, role="sep", content="<SEP>", interchangeable=("<UNK>",))
UNK = SpecialToken(id=4, role="unk", content="<UNK>", interchangeable=("\x04",))

SPECIAL_TOKENS = (EOS, PAD, BOS, SEP, UNK)

TOKENS: tuple[str, ...] = (
    *(token.content for token in SPECIAL_TOKENS),
    *(chr(byte) for byte in range(len(SPECIAL_TOKENS), VOCAB_SIZE)),
)
"""Content of each id, in order."""
