"""Labelled variants in the layouts of their publishers, all read as one form.

| layout | file | label |
| --- | --- | --- |
| traitgym | Parquet: chrom, pos, ref, alt, label, consequence, match_group | label |
| findlay | supplementary table 1, .xlsx or .csv | func.class LOF; INT and FUNC are negative |
| carbon-sge | Parquet: chrom, pos, ref, alt, class, score | class LOF |
| carbon-clinvar | Parquet: chrom, pos, ref, alt, label, region, variant_type | label |
| clinvar-vcf | the VCF file of NCBI: CLNSIG, MC, GENEINFO in INFO | (Likely_)pathogenic; (Likely_)benign is negative |
| dart-caqtl, dart-dsqtl | TSV, either allele may be the genome's | label; var.label |
| lrb-eqtl, lrb-omim | CSV: CHROM, POS, ALT, and label or INT_LABEL, of the test split | that |
| bend-variants | BED with a header: chromosome, start, end, ref, alt, label | label |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.likelihood.regions import load_contigs
from evaluation.variants.vcf import VcfRecord, read_vcf
from evaluation.zero_shot.rows import Row, read_rows
from foundation.errors import InputError
from tokenizer.sequence import Ids, to_upper


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A variant with what was observed of it.

    position
        From 1, as in VCF.
    ref
        "" where the publisher leaves it to the genome.
    label
        True for what a low likelihood should find.
    value
        A measured effect, for rank correlation.
    classes
        Parts of the set that it belongs to, such as "missense" and "SNV".
    group, gene
        Match group and gene, "" where there is none.
    """

    contig: str
    position: int
    ref: str
    alt: str
    label: bool
    value: float | None = None
    classes: tuple[str, ...] = ()
    group: str = ""
    gene: str = ""


Contigs = Mapping[str, Ids]
Reader = Callable[[Path], Iterator[Variant]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a publisher's file is read, and which of its columns is the `label`."""

    read: Reader
    label: str


def read_variants(path: Path, layout: str, genome: Path) -> list[Variant]:
    """The variants of a file, each with REF.

    Errors: `InputError` for a file of another layout, an empty one, and one with a single label.
    """
    found = list(LAYOUTS[layout].read(path))
    if not found:
        fix = "Give the file as it was published."
        raise InputError("has no labelled variant", where=path, fix=fix, kind="table-empty")
    check_both_labels([one.label for one in found], label_place(path, layout))
    if layout not in _BY_GENOME:
        return found
    contigs = load_contigs(genome, [one.contig for one in found])
    return [_with_reference(one, contigs) for one in found]


def label_place(path: Path, layout: str) -> str:
    """The file with the column of its labels, for errors."""
    return f"{path}, column {LAYOUTS[layout].label}"


def check_both_labels(labels: Sequence[bool], where: object, *, left_out: int = 0) -> None:
    """Errors: `InputError` for labels of one kind, among which no score tells anything apart.

    `left_out`: variants of the file that are not among them, since they could not be scored.
    """
    if 0 < sum(labels) < len(labels):
        return
    rest = f", and {left_out:,} could not be scored" if left_out else ""
    problem = f"{sum(labels):,} of {len(labels):,} variants are positive{rest}: nothing to tell apart"
    fix = "Give the genome of the table." if left_out else "Give the file as it was published, with both labels."
    raise InputError(problem, where=where, fix=fix, kind="one-label")


def _with_reference(one: Variant, contigs: Contigs) -> Variant:
    """REF where it is the genome's; of two alleles, the genome's is REF. Others stay, and are left out by REF."""
    contig = contigs.get(one.contig)
    here = b"" if contig is None else to_upper(contig[one.position - 1 : one.position]).tobytes()
    base = here.decode("latin-1")
    if not one.ref:
        return replace(one, ref=base or "N")
    return replace(one, ref=one.alt, alt=one.ref) if one.alt == base != one.ref else one


def _traitgym(path: Path) -> Iterator[Variant]:
    for row in read_rows(path, (*_PLACE, "label", "consequence", "match_group")):
        one = _variant(row, _PLACE, row.flag("label"))
        yield replace(one, classes=_named(row.text("consequence")), group=row.text("match_group"))


def _findlay(path: Path) -> Iterator[Variant]:
    place = ("chromosome", "position (hg19)", "reference", "alt")
    for row in read_rows(path, (*place, "func.class", "function.score.mean", "consequence")):
        if (kind := row.text("func.class")) not in ("LOF", "INT", "FUNC"):
            raise row.odd("func.class", "is not LOF, INT or FUNC")
        one = _variant(row, place, kind == "LOF")
        value, classes = row.number("function.score.mean"), _named(row.text("consequence"))
        yield replace(one, contig=one.contig.removesuffix(".0"), value=value, classes=classes, gene="BRCA1")


def _carbon_sge(path: Path) -> Iterator[Variant]:
    for row in read_rows(path, (*_PLACE, "class", "score")):
        if (kind := row.text("class")) not in ("LOF", "FUNC/INT"):
            raise row.odd("class", "is not LOF or FUNC/INT")
        yield replace(_variant(row, _PLACE, kind == "LOF"), value=row.number("score"))


def _carbon_clinvar(path: Path) -> Iterator[Variant]:
    for row in read_rows(path, (*_PLACE, "label")):
        classes = (*_named(row.text("region")), *_named(row.text("variant_type")))
        yield replace(_variant(row, _PLACE, row.flag("label")), classes=classes)


def _dart_caqtl(path: Path) -> Iterator[Variant]:
    place = ("chr_hg38", "pos_hg38", "allele1", "allele2")
    for row in read_rows(path, (*place, "label", "IsUsed", "in_peaks")):
        if row.flag("IsUsed") and row.flag("in_peaks") and row.text("label"):
            yield _variant(row, place, row.flag("label"))


def _dart_dsqtl(path: Path) -> Iterator[Variant]:
    place = ("var.chrom", "var.pos", "var.allele1", "var.allele2")
    for row in read_rows(path, (*place, "var.label", "var.isused")):
        if row.flag("var.isused") and row.text("var.label"):
            yield _variant(row, place, row.flag("var.label"))


def _lrb(label: str) -> Reader:
    def read(path: Path) -> Iterator[Variant]:
        for row in read_rows(path, ("CHROM", "POS", "ALT", "split", label)):
            if row.text("split") == "test":
                yield _variant(row, ("CHROM", "POS", "", "ALT"), row.flag(label))

    return read


def _bend(path: Path) -> Iterator[Variant]:
    for row in read_rows(path, ("chromosome", "start", "end", "alt", "label")):
        yield Variant(
            contig=row.text("chromosome"), position=row.start("start") + 1, ref="", alt=row.bases("alt"),
            label=row.flag("label"),
        )  # fmt: skip


_SIGNIFICANCE = {
    "Pathogenic": True, "Likely_pathogenic": True, "Pathogenic/Likely_pathogenic": True,
    "Benign": False, "Likely_benign": False, "Benign/Likely_benign": False,
}  # fmt: skip
_CONSEQUENCES = (
    ("splice", ("splice_donor_variant", "splice_acceptor_variant")),
    ("missense", ("missense_variant",)),
    ("synonymous", ("synonymous_variant",)),
    ("truncating", ("nonsense", "frameshift_variant", "stop_lost", "initiator_codon_variant", "start_lost")),
    ("non-coding", ("intron_variant", "5_prime_UTR_variant", "3_prime_UTR_variant", "non-coding_transcript_variant",
                    "genic_upstream_transcript_variant", "genic_downstream_transcript_variant")),
)  # fmt: skip


def _clinvar(path: Path) -> Iterator[Variant]:
    """Those with one of the plain significances, whatever conflicts, risks and drug responses others have."""
    for record in read_vcf(path).records:
        label = _SIGNIFICANCE.get(_info(record, "CLNSIG"))
        if label is None or len(record.alts) != 1 or not set(record.ref + record.alts[0]) <= set("ACGTacgt"):
            continue
        short = len(record.ref) == len(record.alts[0]) == 1
        length = "SNV" if short else "indel" if len(record.ref) != len(record.alts[0]) else "MNV"
        kind = _consequence(_info(record, "MC"))
        classes = (*_named(kind), length, *_named(f"{kind} {length}" if kind else ""))
        yield Variant(
            contig=record.contig, position=record.position + 1, ref=record.ref.upper(), alt=record.alts[0].upper(),
            label=label, classes=classes, gene=_info(record, "GENEINFO").partition(":")[0],
        )  # fmt: skip


def _info(record: VcfRecord, key: str) -> str:
    return next(iter(record.values(key)), "")


def _consequence(molecular: str) -> str:
    """The gravest of `SO:0001583|missense_variant,SO:...`, as one of five classes; "" for others."""
    terms = {one.partition("|")[2] for one in molecular.split(",")}
    return next((name for name, known in _CONSEQUENCES if terms & set(known)), "")


_PLACE = ("chrom", "pos", "ref", "alt")


def _variant(row: Row, place: tuple[str, str, str, str], label: bool) -> Variant:
    """From the columns of contig, position, REF ("" where there is none) and ALT."""
    contig, position, ref, alt = place
    return Variant(
        contig=row.text(contig), position=row.position(position), ref=row.bases(ref) if ref else "",
        alt=row.bases(alt), label=label,
    )  # fmt: skip


def _named(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


LAYOUTS: dict[str, Layout] = {
    "traitgym": Layout(read=_traitgym, label="label"),
    "findlay": Layout(read=_findlay, label="func.class"),
    "carbon-sge": Layout(read=_carbon_sge, label="class"),
    "carbon-clinvar": Layout(read=_carbon_clinvar, label="label"),
    "clinvar-vcf": Layout(read=_clinvar, label="INFO, key CLNSIG"),
    "dart-caqtl": Layout(read=_dart_caqtl, label="label"),
    "dart-dsqtl": Layout(read=_dart_dsqtl, label="var.label"),
    "lrb-eqtl": Layout(read=_lrb("label"), label="label"),
    "lrb-omim": Layout(read=_lrb("INT_LABEL"), label="INT_LABEL"),
    "bend-variants": Layout(read=_bend, label="label"),
}
_BY_GENOME = ("dart-caqtl", "dart-dsqtl", "lrb-eqtl", "lrb-omim", "bend-variants")
