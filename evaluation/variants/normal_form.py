"""The same change of sequence written in several ways has one normal form, so that it is scored once."""

from tokenizer.sequence import Ids, encode, to_upper

_STEP = 1024  # bases of the contig that are fetched at a time


def normal_form(position: int, ref: Ids, alt: Ids, contig: Ids) -> tuple[int, Ids, Ids]:
    """Position from 0, REF and ALT with no base in common but an indel's one before it, as far left as that goes.

    `ref` is what `contig` has at `position`, upper case. The normal form of VCF (Tan, Abecasis and Kang 2015). An ALT
    that equals REF is not changed.
    """
    left, right = ref.tobytes(), alt.tobytes()
    if left == right:
        return position, ref, alt
    before = b""  # the bases before `position` that were fetched and not used
    while left[-1] == right[-1] and (position or min(len(left), len(right)) > 1):
        if min(len(left), len(right)) == 1:
            before = before or to_upper(contig[max(0, position - _STEP) : position]).tobytes()
            left, right = before[-1:] + left, before[-1:] + right
            before, position = before[:-1], position - 1
        left, right = left[:-1], right[:-1]
    while left[0] == right[0] and min(len(left), len(right)) > 1:
        left, right, position = left[1:], right[1:], position + 1
    return position, encode(left), encode(right)
