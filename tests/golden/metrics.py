"""Makes metrics.json: scikit-learn's numbers for cases with ties, empty classes and missing labels.

Run: python tests/golden/metrics.py (numpy 2.4.6, scipy, scikit-learn 1.9.1)
"""
import json
import pathlib
import warnings

import numpy as np
from scipy.stats import norm
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, recall_score, roc_auc_score

warnings.filterwarnings("ignore")
rng = np.random.default_rng(2401)


def none(value):
    return None if value is None or np.isnan(value) else float(value)


def case(name, scores, targets):
    """scores (n, c) float32; targets (n, c) of 1, 0 and nan (unknown)."""
    scores = scores.astype(np.float32)
    n, c = scores.shape
    ap, auc = [], []
    for k in range(c):
        known = ~np.isnan(targets[:, k])
        t, s = targets[known, k], scores[known, k]
        ap.append(average_precision_score(t, s) if t.sum() > 0 else None)
        auc.append(roc_auc_score(t, s) if 0 < t.sum() < len(t) else None)
    aps = [v for v in ap if v is not None]
    aucs = [v for v in auc if v is not None]
    mean_auc = np.mean(aucs) if aucs else None
    out = dict(
        name=name, classes=c, scores=[float(v) for v in scores.ravel()], targets=[none(v) for v in targets.ravel()],
        average_precision=[none(v) for v in ap], auc=[none(v) for v in auc], map=float(np.mean(aps)),
        mean_auc=none(mean_auc), d_prime=None if mean_auc is None else float(np.sqrt(2) * norm.ppf(mean_auc)),
        accuracy=None, confusion=None, recall=None,
    )
    single = not np.isnan(targets).any() and (targets.sum(1) == 1).all()
    if single:
        y, p = targets.argmax(1), scores.argmax(1)
        labels = list(range(c))
        recall = recall_score(y, p, labels=labels, average=None, zero_division=np.nan)
        out.update(
            accuracy=float(accuracy_score(y, p)),
            confusion=[int(v) for v in confusion_matrix(y, p, labels=labels).ravel()],
            recall=[none(v) for v in recall],
        )
    return out


def one_hot(y, c):
    return np.eye(c)[y]


def learnt(targets, noise):
    return np.nan_to_num(targets) + rng.normal(0, noise, targets.shape)


y = rng.integers(0, 5, 60)
cases = [case("five classes", learnt(one_hot(y, 5), 0.7), one_hot(y, 5))]
cases.append(case("ties", np.round(learnt(one_hot(y, 5), 0.7) * 2) / 2, one_hot(y, 5)))
cases.append(case("all scores equal", np.zeros((12, 3)), one_hot(rng.integers(0, 3, 12), 3)))
y = rng.choice([0, 2, 3], 40)
cases.append(case("two classes never occur", learnt(one_hot(y, 5), 0.6), one_hot(y, 5)))
cases.append(case("only one class occurs", learnt(one_hot(np.ones(9, int), 3), 0.6), one_hot(np.ones(9, int), 3)))
t = (rng.random((80, 6)) < 0.3).astype(float)
cases.append(case("several labels", learnt(t, 0.8), t))
t[rng.random(t.shape) < 0.6] = np.nan
t[:, 4] = np.where(np.isnan(t[:, 4]), np.nan, 0.0)
t[:, 5] = np.nan
cases.append(case("partial labels, a class without positives, one never annotated", np.round(learnt(t, 0.8), 1), t))

path = pathlib.Path(__file__).with_name("metrics.json")
path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(path, path.stat().st_size, "bytes")
