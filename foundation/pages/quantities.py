"""Quantities as a reader wants them: 6.98 B parameters, 3 h 12 min, 12,400 bases."""

_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_TIMES = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def exact(count: int) -> str:
    """All digits, in groups of three."""
    return f"{count:,}"


def short(value: float) -> str:
    """Three digits and a letter: k, M, B (1e9) or T."""
    value = float(f"{value:.3g}")
    for factor, letter in _LARGE:
        if value >= factor:
            return f"{value / factor:.3g} {letter}"
    return f"{value:.3g}"


def bits(value: float) -> str:
    """Bits per base: three decimals, about what a held-out set of a million bases determines."""
    return f"{value:.3f}"


def duration(seconds: float) -> str:
    """Two units at most: 2 d 4 h, 3 h 12 min, 4 min 5 s, 12.3 s."""
    for size, unit, smaller, smaller_unit in _TIMES:
        if seconds >= size:
            whole = round(seconds / smaller) * smaller
            rest = int(whole % size // smaller)
            return f"{int(whole // size)} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    return f"{seconds:.1f} s"


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 record, 2,000 records."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
