# SPDX-License-Identifier: MIT
"""The problem that every solver is given, and the check of every answer; needs NumPy alone.

    f(x) = mean over the rows of log(1 + exp(-b a^T x)) + lambda/2 ||x||^2

The last entry of each row a is a one that is not in the file; its weight is regularised like the
others. b is +1 for the larger of the two labels of the file and -1 for the smaller.
"""
import lzma
import os

import numpy as np

LAMBDA = 1e-3
TOLERANCE = 1e-9  # of ||grad f||, the 2-norm


class Problem:
    """Rows in compressed form: row i has the entries row_start[i] … row_start[i + 1] - 1."""

    def __init__(self, path):
        labels, row_start, columns, values = [], [0], [], []
        with open(path) as file:
            lines = [words for line in file if (words := line.partition("#")[0].split())]
        for label, *entries in lines:
            labels.append(float(label))
            for entry in entries:
                index, _, value = entry.partition(":")
                columns.append(int(index) - 1)
                values.append(float(value))
            columns.append(-1)  # the ones, whose column is known at the end
            values.append(1.0)
            row_start.append(len(columns))
        self.classes = sorted(set(labels))
        if len(self.classes) != 2:
            raise ValueError(f"{path}: {len(self.classes)} different labels, not two")
        self.b = np.where(np.array(labels) == self.classes[1], 1.0, -1.0)
        self.row_start = np.array(row_start, dtype=np.int32)
        self.columns = np.array(columns, dtype=np.int32)
        self.values = np.array(values)
        self.features = int(self.columns.max()) + 1
        self.columns[self.columns < 0] = self.features
        self.rows, self.dimension = len(self.b), self.features + 1

    def matrix(self):
        """The rows, with the column of ones, in SciPy's form."""
        from scipy.sparse import csr_matrix
        return csr_matrix((self.values, self.columns, self.row_start), (self.rows, self.dimension))

    def value_and_gradient(self, x):
        z = self.b * np.add.reduceat(self.values * x[self.columns], self.row_start[:-1])
        slope = -self.b * np.exp(-np.logaddexp(0, z)) / self.rows
        spread = np.repeat(slope, np.diff(self.row_start))
        g = np.bincount(self.columns, spread * self.values, self.dimension) + LAMBDA * x
        return np.logaddexp(0, -z).mean() + LAMBDA / 2 * (x @ x), g

    def check(self, x):
        """What an answer is worth, whatever its solver said."""
        f, g = self.value_and_gradient(np.asarray(x, dtype=float))
        return {"f": float(f), "gradient_norm": float(np.linalg.norm(g))}

    def liblinear_tolerance(self):
        """LIBLINEAR's -e that is our tolerance: it stops when ||grad f|| is at most
        e min(rows of +1, rows of -1) / rows times its value at 0."""
        smaller = min(np.count_nonzero(self.b > 0), np.count_nonzero(self.b < 0))
        start = np.linalg.norm(self.value_and_gradient(np.zeros(self.dimension))[1])
        return float(TOLERANCE * self.rows / (smaller * start))


def weights_of(path, problem):
    """x of a model file of LIBLINEAR or ufednl-cli, turned where its first label is our -1."""
    with open(path) as file:
        head = dict(line.rstrip().partition(" ")[::2] for line in iter(file.readline, "w\n"))
        x = np.array(file.read().split(), dtype=float)
    return x if float(head["label"].split()[0]) == problem.classes[1] else -x


def file_of(name, folder):
    """A path as it is; the name of a data set from $CTRAIN_DATA, unpacked into folder."""
    if os.path.isfile(name):
        return name
    packed = os.path.join(os.environ.get("CTRAIN_DATA", "."), name + ".xz")
    path = os.path.join(folder, name)
    with lzma.open(packed) as source, open(path, "wb") as target:
        target.write(source.read())
    return path
