"""The compiled passes over a record's bases: what follows each context, and what each base costs under the chains.

Codes are 0 to 3 for A, C, G and T, `OTHER` for another letter, and `START` before a record.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

OTHER, START = 4, 5

Codes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def count(codes: Codes, most: int, offsets: Numbers, counts: npt.NDArray[np.uint32], state: Numbers) -> None:
    """Add the targets among `codes` to `counts`, each under the longest context of known bases, up to `most`.

    `state`, kept from call to call: how many bases in a row are known, which, and whether a record begins.
    """
    run, context, begins = state[0], state[1], state[2]
    mask = (1 << (2 * most)) - 1
    for code in codes:
        if code >= OTHER:
            run, context, begins = 0, 0, 1 if code == START else 0
            continue
        if not begins:
            counts[offsets[run] + 4 * context + code] += 1
        run, context, begins = min(run + 1, most), ((context << 2) | code) & mask, 0
    state[0], state[1], state[2] = run, context, begins


@njit(cache=True, nogil=True)
def losses(
    codes: Codes, most: int, offsets: Numbers, logs: npt.NDArray[np.float64], nats: npt.NDArray[np.float64]
) -> int:
    """Add the loss of one record under the chain of each order to `nats`, [most + 1]; returns its number of targets."""
    run, context, targets = 0, 0, 0
    mask = (1 << (2 * most)) - 1
    for position in range(len(codes)):
        code = codes[position]
        if code >= OTHER:
            run, context = 0, 0
            continue
        if position:
            targets += 1
            loss = 0.0
            for order in range(most + 1):
                if order <= run:
                    last = context & ((1 << (2 * order)) - 1)
                    loss = logs[offsets[order] + 4 * last + code]
                nats[order] -= loss
        run, context = min(run + 1, most), ((context << 2) | code) & mask
    return targets
