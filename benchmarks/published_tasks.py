"""The tables of published tasks: agreement of the statistics, speed of variant effects, and suites that are killed.

python -m benchmarks.evaluation --table statistics | traitgym | kills
"""

import math
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.twins import twin_models
from evaluation.statistics.delong import compare_aurocs
from evaluation.statistics.matched import auprc_by_group, pairwise_accuracy
from evaluation.statistics.ranking import Correlated, Ranked
from evaluation.variants.alleles import SCORED, Allele
from evaluation.variants.effects import variant_effects
from evaluation.variants.vcf import VcfRecord
from evaluation.variants.windows import Placement
from tokenizer.sequence import Ids, encode, reverse_complement

ROUNDS = 200


def agreement() -> None:
    """Largest difference of each statistic from scikit-learn, SciPy, or the formula written out, over random inputs."""
    worst: dict[str, float] = {}
    for seed in range(ROUNDS):
        generator = np.random.default_rng(seed)
        count = int(generator.integers(30, 300))
        labels = generator.random(count) < generator.uniform(0.05, 0.6)
        labels[:2] = True, False
        first, second = (np.round(generator.normal(size=count) + labels, int(generator.integers(0, 4))) for _ in "12")
        groups = generator.integers(0, 8, count)
        for name, ours, peer in _pairs(labels, first, second, groups):
            worst[name] = max(worst.get(name, 0.0), abs(ours - peer))
    print(f"\nagreement over {ROUNDS} random inputs with ties, 30 to 300 items")
    for name, difference in worst.items():
        print(f"  {name}: differs by {difference:.1e} at most")


def _pairs(labels: Any, first: Any, second: Any, groups: Any) -> "list[tuple[str, float, float]]":
    ones = np.ones((1, len(labels)), np.int64)
    ranked = Ranked(labels=labels, scores=first)
    auroc, auprc = (float(one[0]) for one in ranked.areas(ones))
    rho = float(Correlated(measured=second, scores=first).spearman(ones)[0])
    by_group, won = auprc_by_group(labels, first, groups), pairwise_accuracy(labels, first, groups)
    peers, sizes, shares = [], [], []
    for one in np.unique(groups):
        rows = groups == one
        if 0 < labels[rows].sum() < rows.sum():
            peers.append(average_precision_score(labels[rows], first[rows]))
            sizes.append(int(rows.sum()))
            positive, control = first[rows & labels], first[rows & ~labels]
            shares.append(np.mean([[1.0 if a > b else 0.5 if a == b else 0.0 for b in control] for a in positive]))
    weighted = float(by_group.weighted_mean(np.ones((1, len(peers)), np.int64))[0])
    found = compare_aurocs(labels, first, second)
    return [
        ("AUROC, scikit-learn", auroc, roc_auc_score(labels, first)),
        ("average precision, scikit-learn", auprc, average_precision_score(labels, first)),
        ("Spearman, SciPy", rho, stats.spearmanr(second, first).statistic),
        ("AUPRC by chromosome, the publisher's formula", weighted, float(np.average(peers, weights=sizes))),
        ("pairwise accuracy, by pairs", float(won.values.mean()), float(np.mean(shares))),
        ("its standard error", won.error or 0.0, float(np.std(shares, ddof=1) / math.sqrt(len(shares)))),
        ("DeLong's standard error, formula of 1988", found.error, _delong(labels, first, second)),
        ("DeLong's p, SciPy's normal", found.p, _p(found.value, found.error)),
    ]  # fmt: skip


def _p(value: float, error: float) -> float:
    return float(2 * stats.norm.sf(abs(value) / error)) if error else 1.0


def _delong(labels: Any, first: Any, second: Any) -> float:
    """The structural components of DeLong, DeLong and Clarke-Pearson, pair by pair."""
    wins = []
    for scores in (first, second):
        over = np.sign(scores[labels][:, None] - scores[~labels][None, :])
        wins.append((over + 1) / 2)
    change = wins[0] - wins[1]
    variance = change.mean(axis=1).var(ddof=1) / change.shape[0] + change.mean(axis=0).var(ddof=1) / change.shape[1]
    return math.sqrt(variance)


VARIANTS, WINDOW, CHUNK = 2000, 512, 200
PEER_BATCHES = (2, 8)  # the first is the default of Carbon's script


def traitgym() -> None:
    """2,000 variants apart from one another, centred windows, both strands: ours, and whole windows."""
    ours, peer = _models()
    generator = np.random.default_rng(0)
    contig = encode("".join(generator.choice(list("ACGT"), size=VARIANTS * 700)))
    alleles = [_allele(contig, 400 + 700 * number, generator) for number in range(VARIANTS)]
    placement = Placement(length=WINDOW, downstream=WINDOW // 2, grid=1)
    ratios: dict[int, list[float]] = {size: [] for size in PEER_BATCHES}
    worst, spread = 0.0, []
    for start in range(0, VARIANTS, CHUNK):
        some = alleles[start : start + CHUNK]
        clock = time.process_time()
        lists = variant_effects(ours, some, {"c": contig}, placement, readings=(False, True))
        found = [one for effects in lists for one in effects]
        own = time.process_time() - clock
        for size in PEER_BATCHES:
            clock = time.process_time()
            expected = _loop(peer, contig, some, size)
            ratios[size].append((time.process_time() - clock) / own)
        means = [one.mean for one in found if one]
        worst = max(worst, float(np.abs(np.subtract(means, expected)).max()))
        spread += expected
    size = f"{ours.num_parameters():,} parameters, fp32"
    print(f"\n{VARIANTS:,} variants, centred windows of {WINDOW}, both strands, {size}")
    for size, some in ratios.items():
        print(f"  {statistics.median(some):.2f} times as fast as whole windows in batches of {size} (median of "
              f"{len(some)} parts, {min(some):.2f} to {max(some):.2f}, processor time)")  # fmt: skip
    print(f"  scores per base differ by {worst:.1e} at most; their spread is {np.std(spread):.1e}")


def _loop(model: Any, contig: Ids, alleles: list[Allele], size: int) -> list[float]:
    """Mean log-probability of the alternative's window less the reference's, the mean of the strands."""
    windows = []
    half = WINDOW // 2
    for one in alleles:
        changed = contig.copy()
        changed[one.position] = one.alt[0]
        for bases in (contig, changed):
            forward = bases[one.position - half : one.position + half]
            other = reverse_complement(bases[one.position - half + 1 : one.position + half + 1])
            windows += [forward, other]
    logs: list[float] = []
    for start in range(0, len(windows), size):
        tokens = torch.from_numpy(np.stack(windows[start : start + size]).astype(np.int64))
        with torch.inference_mode():
            found = torch.log_softmax(model(tokens).logits, dim=-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
        logs += found.double().mean(dim=1).tolist()
    return [(logs[i + 2] - logs[i] + logs[i + 3] - logs[i + 1]) / 2 for i in range(0, len(logs), 4)]


def _allele(contig: Ids, position: int, generator: Any) -> Allele:
    ref = contig[position : position + 1]
    alt = encode(bytes([generator.choice([base for base in b"ACGT" if base != ref[0]])]))
    record = VcfRecord(line=1, contig="c", position=position, id=".", ref=chr(ref[0]), alts=(), fields=())
    return Allele(record=record, alt_text="", position=position, ref=ref, alt=alt, status=SCORED)


def _models() -> tuple[Any, Any]:
    return twin_models(hidden=64, intermediate=192, layers=2, positions=WINDOW)


KILLS, KILLED_TASKS = 20, ("bend_disease", "bend_expression", "lrb_eqtl", "lrb_omim")


def kills() -> None:
    """`evaluate zero-shot` on four made-up sets, killed with SIGKILL at 20 random moments: the files of a whole run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _models()[1].save_pretrained(folder / "model")
        _write_sets(folder / "data")
        tasks = [part for task in KILLED_TASKS for part in ("--task", task)]
        program = [sys.executable, "-m", "genomic_llama.cli.main", "evaluate", "zero-shot", str(folder / "model")]
        command = [*program, "--data", str(folder / "data"), *tasks, "--out"]
        clock = time.perf_counter()
        subprocess.run([*command, str(folder / "whole")], check=True, capture_output=True)
        whole, killed, starts = time.perf_counter() - clock, 0, 0
        generator = random.Random(0)
        while killed < KILLS:
            killed += _killed([*command, str(folder / "killed")], generator.uniform(0.1, 0.9) * whole)
            starts += 1
            if _contents(folder / "killed") == _contents(folder / "whole"):
                _check_same(folder)
                shutil.rmtree(folder / "killed")  # and once more, from nothing
        subprocess.run([*command, str(folder / "killed")], check=True, capture_output=True)
        _check_same(folder)
    print(
        f"\na suite of four tasks, started {starts} times and killed {killed} times: every result once, the same bytes"
    )


def _killed(command: list[str], seconds: float) -> bool:
    """False where it was finished before its time was up."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _check_same(folder: Path) -> None:
    if _contents(folder / "killed") != _contents(folder / "whole"):
        found, whole = (_contents(folder / name) for name in ("killed", "whole"))
        different = sorted(name for name in found.keys() | whole.keys() if found.get(name) != whole.get(name))
        raise SystemExit(f"RESULTS DIFFER: {', '.join(different)}")


def _write_sets(data: Path) -> None:
    """A made-up chromosome, and 600 variants on it in two layouts."""
    generator = np.random.default_rng(0)
    bases = "".join(generator.choice(list("ACGT"), size=70_000))
    places = [(at, bases[at - 1], "ACGT".replace(bases[at - 1], "")[at % 3]) for at in range(500, 66_500, 110)]
    bend = [f"chr1\t{at - 1}\t{at}\t{ref}\t{alt}\t{at // 110 % 2}" for at, ref, alt in places]
    files = {
        "genomes/hg38.fa": f">chr1\n{bases}\n",
        "bend/variant_effects_disease.bed": "\n".join(["chromosome\tstart\tend\tref\talt\tlabel", *bend]),
        "bend/variant_effects_expression.bed": "\n".join(
            ["chromosome\tstart\tend\tref\talt\tlabel", *bend[::2], *bend[1::4]]
        ),
    }
    for path, label in (
        ("variant_effect_causal_eqtl/All_Tissues.csv", "label"),
        ("variant_effect_pathogenic/vep_pathogenic_non_coding_subset.csv", "INT_LABEL"),
    ):
        rows = [f"chr1,{at},{alt},{at // 110 % 2},test" for at, _, alt in places]
        files[f"long_range_benchmark/{path}"] = "\n".join([f"CHROM,POS,ALT,{label},split", *rows])
    for path, text in files.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_text(text + "\n", encoding="utf-8")


def _contents(out: Path) -> dict[str, bytes]:
    """All but the pages and the receipts, which name the folder."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.parent != out]
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.suffix != ".receipt"}
