"""Fits the sample's forest on rows whose first column is the label: fit.py ROWS MODEL."""

import pickle
import sys
from pathlib import Path

import pandas as pd
from sklearn.ensemble import RandomForestClassifier

rows = pd.read_csv(sys.argv[1], header=None)
forest = RandomForestClassifier(n_estimators=100, min_samples_leaf=20, random_state=7)
forest.fit(rows.iloc[:, 1:], rows.iloc[:, 0])
Path(sys.argv[2]).write_bytes(pickle.dumps(forest))
