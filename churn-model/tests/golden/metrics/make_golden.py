"""Wrote the files in this folder: scores with labels, and what every metric is worth on them.

    python make_golden.py          # needs numpy, scipy and scikit-learn; versions used are in golden.json

Nothing here shares an algorithm with the crate: scikit-learn where it has the metric, otherwise the definition spelled
out over all pairs, rows or thresholds, and adaptive numerical integration for the expected maximum profit.
"""

import itertools
import json
import pathlib

import numpy as np
import scipy
import sklearn
from scipy import stats
from scipy.integrate import quad
from sklearn import metrics as sk

HERE = pathlib.Path(__file__).parent

CAMPAIGNS = {
    "default": {"lifetime_value": 200.0, "offer": 10.0, "contact": 1.0, "accept_alpha": 6.0, "accept_beta": 14.0},
    "free_contact": {"lifetime_value": 200.0, "offer": 10.0, "contact": 0.0, "accept_alpha": 6.0, "accept_beta": 14.0},
    "dear_contact": {"lifetime_value": 200.0, "offer": 10.0, "contact": 40.0, "accept_alpha": 6.0, "accept_beta": 14.0},
    "sure_acceptance": {
        "lifetime_value": 900.0,
        "offer": 30.0,
        "contact": 5.0,
        "accept_alpha": 600.0,
        "accept_beta": 1400.0,
    },
    "unsure_acceptance": {
        "lifetime_value": 120.0,
        "offer": 20.0,
        "contact": 2.0,
        "accept_alpha": 1.5,
        "accept_beta": 1.2,
    },
}
LIFT_SHARES = [0.01, 0.05, 0.1, 0.25, 0.333, 0.5, 0.999, 1.0]
THRESHOLDS = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0]


def data_sets():
    rng = np.random.default_rng(20130615)
    p = rng.beta(1.2, 4.0, 400)
    ties = np.round(p, 2)
    ties[:3], ties[3:5] = 0.0, 1.0
    yield "ties_400", ties, (rng.random(400) < p).astype(int)

    # 63, so that a tenth of the rows is no whole number.
    p = rng.beta(1.0, 3.0, 63)
    label = (rng.random(63) < p).astype(int)
    yield "distinct_63", np.clip(p + rng.normal(0, 0.08, 63), 1e-4, 1 - 1e-4), label

    label = (np.arange(40) % 5 == 0).astype(int)
    yield "separable_40", np.where(label == 1, 0.7, 0.2) + np.round(0.2 * rng.random(40), 1), label


def delong(score, label):
    """Structural components over all pairs, as in the paper of 1988."""
    x, y = score[label == 1], score[label == 0]
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    auc = psi.mean()
    variance = psi.mean(axis=1).var(ddof=1) / len(x) + psi.mean(axis=0).var(ddof=1) / len(y)
    half = stats.norm.ppf(0.975) * np.sqrt(variance)
    return auc, max(auc - half, 0.0), min(auc + half, 1.0)


def calibration(score, label, bin_of_row, edges=None):
    rows = []
    for b in np.unique(bin_of_row):
        inside = bin_of_row == b
        low, high = (edges[b], edges[b + 1]) if edges is not None else (score[inside].min(), score[inside].max())
        rows.append([low, high, int(inside.sum()), int(label[inside].sum()), score[inside].mean()])
    return rows


def lift(score, label, k):
    """Each row with the chance that it is among the first k when tied rows are shuffled."""
    above = (score[None, :] > score[:, None]).sum(axis=1)
    tied = (score[None, :] == score[:, None]).sum(axis=1)
    chance = np.clip((k - above) / tied, 0.0, 1.0)
    return (chance * label).sum() / k / label.mean()


def profits(score, label, c, gamma):
    """Money per tenant and share contacted for every threshold, fewest contacts first."""
    thresholds = np.concatenate([[np.inf], np.unique(score)[::-1]])
    contacted = score[None, :] >= thresholds[:, None]
    churned = (contacted & (label == 1)).sum(axis=1)
    stayed = (contacted & (label == 0)).sum(axis=1)
    stays_now = gamma * (c["lifetime_value"] - c["offer"]) - c["contact"]
    money = stays_now * churned - (c["offer"] + c["contact"]) * stayed
    return money / len(score), (churned + stayed) / len(score)


def bisected(f, splits):
    """Integral of f over [0, 1], by adaptive quadrature between split points that a grid search narrows down."""
    total = 0.0
    for a, b in itertools.pairwise(splits):
        value, error = quad(f, a, b, epsabs=1e-11, epsrel=1e-11, limit=200)
        assert error < 1e-10, error
        total += value
    return total


def best_changes(score, label, c):
    """Where in [0, 1] the best threshold changes: a fine grid of gamma, then bisection."""
    changes = [0.0]

    def best(gamma):
        return int(np.argmax(profits(score, label, c, gamma)[0]))

    def narrow(a, best_a, b, best_b):
        middle = 0.5 * (a + b)
        if best_a == best_b:
            return
        if b - a < 1e-13:
            changes.append(b)
            return
        best_middle = best(middle)
        narrow(a, best_a, middle, best_middle)
        narrow(middle, best_middle, b, best_b)

    grid = np.linspace(0.0, 1.0, 2001)
    found = [best(gamma) for gamma in grid]
    for i in range(len(grid) - 1):
        narrow(grid[i], found[i], grid[i + 1], found[i + 1])
    # The density has its mass on a short stretch when acceptance is nearly sure: split there, too.
    mean = c["accept_alpha"] / (c["accept_alpha"] + c["accept_beta"])
    sd = stats.beta.std(c["accept_alpha"], c["accept_beta"])
    around = [mean + i * sd for i in range(-12, 13) if 0.0 < mean + i * sd < 1.0]
    return sorted(set(changes + around + [1.0]))


def expected_maximum_profit(score, label, c):
    density = stats.beta(c["accept_alpha"], c["accept_beta"]).pdf
    splits = best_changes(score, label, c)

    def money(gamma):
        return profits(score, label, c, gamma)[0].max() * density(gamma)

    def contacted(gamma):
        earned, share = profits(score, label, c, gamma)
        return share[np.argmax(earned)] * density(gamma)

    return bisected(money, splits), bisected(contacted, splits)


def golden(score, label):
    n = len(score)
    auc, low, high = delong(score, label)
    fpr, tpr, _ = sk.roc_curve(label, score, drop_intermediate=False)
    assert abs(sk.roc_auc_score(label, score) - auc) < 1e-12
    precision, recall, at = sk.precision_recall_curve(label, score)
    edges = np.arange(11) / 10
    width_bin = np.minimum(np.searchsorted(edges, score, side="right") - 1, 9)
    mass_bin = np.searchsorted(np.sort(score), score, side="left") * 7 // n
    width = calibration(score, label, width_bin, edges)
    campaigns = []
    for name, c in CAMPAIGNS.items():
        empc, share = expected_maximum_profit(score, label, c)
        mean = c["accept_alpha"] / (c["accept_alpha"] + c["accept_beta"])
        money, contacted = profits(score, label, c, mean)
        campaigns.append(
            {
                "name": name,
                "campaign": c,
                "empc": empc,
                "empc_fraction": share,
                "profit_curve": [list(point) for point in zip(contacted, money)],
                "maximum_profit": [contacted[np.argmax(money)], money.max()],
            }
        )
    confusions = []
    for threshold in THRESHOLDS:
        called = (score >= threshold).astype(int)
        tn, fp, fn, tp = (int(v) for v in sk.confusion_matrix(label, called, labels=[0, 1]).ravel())
        confusions.append(
            {
                "threshold": threshold,
                "counts": [tp, fp, tn, fn],
                "precision": sk.precision_score(label, called) if tp + fp else None,
                "recall": sk.recall_score(label, called),
                "f1": sk.f1_score(label, called),
                "specificity": sk.recall_score(label, called, pos_label=0),
                "accuracy": sk.accuracy_score(label, called),
            }
        )
    return {
        "metrics": {
            "n": n,
            "n_churned": int(label.sum()),
            "base_rate": label.mean(),
            "roc_auc": sk.roc_auc_score(label, score),
            "roc_auc_low": low,
            "roc_auc_high": high,
            "pr_auc": sk.average_precision_score(label, score),
            "log_loss": sk.log_loss(label, score),
            "brier": sk.brier_score_loss(label, score),
            "ece": sum(m / n * abs(s - k / m) for _, _, m, k, s in width),
            "lift_10": lift(score, label, 0.1 * n),
            "empc": campaigns[0]["empc"],
            "empc_fraction": campaigns[0]["empc_fraction"],
        },
        "roc_curve": [list(point) for point in zip(fpr, tpr)],
        # From the highest score down, without scikit-learn's added end at recall 0.
        "precision_recall_curve": [list(point) for point in zip(at, precision[:-1], recall[:-1])][::-1],
        "equal_width_10": width,
        "equal_mass_7": calibration(score, label, mass_bin),
        "lift_at_share": [[share, lift(score, label, share * n)] for share in LIFT_SHARES],
        "lift_at_count": [[k, lift(score, label, k)] for k in range(1, n + 1)],
        "confusions": confusions,
        "campaigns": campaigns,
    }


def plain(value):
    return value.item() if isinstance(value, np.generic) else value.tolist()


def main():
    out = {"made_with": {m.__name__: m.__version__ for m in (np, scipy, sklearn)}, "data_sets": []}
    for name, score, label in data_sets():
        lines = [f"{s!r},{y}" for s, y in zip(score.tolist(), label.tolist())]
        (HERE / f"{name}.csv").write_text("\n".join(["score,churned", *lines]) + "\n")
        out["data_sets"].append(dict(name=name, **golden(score, label)))
    (HERE / "golden.json").write_text(json.dumps(out, default=plain, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
