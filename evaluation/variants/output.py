"""The files of scored variants: the annotated VCF, the table, and the measures where there are labels."""

import json
from pathlib import Path

from evaluation.variants.alleles import MEANINGS
from evaluation.variants.run import VariantResult, VariantRun
from evaluation.variants.table import table_lines
from evaluation.variants.vcf import annotated, write_lines
from foundation.atomic import atomic_file
from foundation.place import beside
from foundation.typed import to_json

_AFTER = "mean over the bases from the variant to the window's end"
_DISTANCES = (
    ("GLL_JSD", "divergence", f"Jensen-Shannon divergence of the next base's distribution, bits, {_AFTER}"),
    ("GLL_L2", "euclidean", f"L2 distance of the last layer's embeddings, {_AFTER}"),
    ("GLL_COSINE", "cosine", f"1 - cosine of the last layer's embeddings, {_AFTER}"),
    ("GLL_ENTROPY", "entropy", f"Change of the entropy of the next base, bits, {_AFTER}"),
)

_CALIBRATION = (
    ("GLL_NULL_Z", "z", "GLL_DELTA of an indel in standard deviations from the mean of random indels of its length"),
    ("GLL_NULL_P", "p", "Share of random indels of its length with a GLL_DELTA as low or lower, itself counted"),
)


def journal_path(out: Path) -> Path:
    """Where a run that will write OUT.* keeps what it has so far."""
    return beside(out, ".partial")


def result_paths(out: Path) -> list[Path]:
    """OUT.vcf.gz, OUT.tsv, and OUT.metrics.json, which is written where there are labels."""
    return [beside(out, suffix) for suffix in (".vcf.gz", ".tsv", ".metrics.json")]


def write_result(result: VariantResult, run: VariantRun, out: Path) -> list[Path]:
    """Write OUT.vcf.gz, OUT.tsv and, with labels, OUT.metrics.json; the paths."""
    paths = result_paths(out)
    with atomic_file(paths[0]) as temporary:
        lines = annotated(result.vcf, _meta(run), _info(result, run.distances))
        write_lines(temporary, lines, compressed=True)
    with atomic_file(paths[1]) as temporary:
        write_lines(
            temporary,
            table_lines(result.alleles, result.effects, result.calibrations, with_distances=run.distances),
            compressed=False,
        )
    if result.measures:
        _write_measures(result, run, paths[2])
    journal_path(out).unlink(missing_ok=True)
    return paths if result.measures else paths[:2]


def _write_measures(result: VariantResult, run: VariantRun, path: Path) -> None:
    with atomic_file(path) as temporary:
        content = {
            "settings": run.settings, "labels": to_json(result.labels), "measures": to_json(result.measures)
        }  # fmt: skip
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _meta(run: VariantRun) -> list[str]:
    settings = " ".join(f"{key}={value}" for key, value in run.settings.items())
    number = "Number=A,Type=Float"
    return [
        f"##genomic-llama-variants={settings}",
        f'##INFO=<ID=GLL_DELTA,{number},Description="ln P(alternative) - ln P(reference), summed over the window, '
        'mean of the strands compared; below zero the model prefers the reference">',
        f'##INFO=<ID=GLL_MEAN,{number},Description="GLL_DELTA per compared base">',
        *(f'##INFO=<ID={key},{number},Description="{text}">' for key, _, text in _asked(run)),
        '##INFO=<ID=GLL_STATUS,Number=A,Type=String,Description="' + "; ".join(f"{k}: {v}" for k, v in MEANINGS.items())
        + '">',
    ]  # fmt: skip


def _asked(run: VariantRun) -> tuple[tuple[str, str, str], ...]:
    """Key, field and description of what was asked for beside the delta."""
    return (_DISTANCES if run.distances else ()) + (_CALIBRATION if run.null else ())


def _info(result: VariantResult, distances: bool) -> list[str]:
    """What each record's INFO gets: a value an alternative allele."""
    texts, number = [], 0
    keys = [("GLL_DELTA", "delta"), ("GLL_MEAN", "mean")]
    for record in result.vcf.records:
        slots = range(number, number + len(record.alts))
        number += len(record.alts)
        effects, statuses = [result.effects[i] for i in slots], [result.alleles[i].status for i in slots]
        pairs = [f"{key}={','.join(_number(effect, name) for effect in effects)}" for key, name in keys]
        if distances:
            shifts = [effect and effect.shift for effect in effects]
            pairs += [f"{key}={','.join(_number(shift, name) for shift in shifts)}" for key, name, _ in _DISTANCES]
        if result.calibrations:
            among = [result.calibrations[i] for i in slots]
            pairs += [f"{key}={','.join(_number(one, name) for one in among)}" for key, name, _ in _CALIBRATION]
        texts.append(";".join([*pairs, f"GLL_STATUS={','.join(statuses)}"]))
    return texts


def _number(of: object, name: str) -> str:
    value = getattr(of, name, None)
    return "." if value is None else f"{value:.7g}"
