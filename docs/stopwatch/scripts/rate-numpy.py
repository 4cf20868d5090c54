import csv

import numpy as np

answers = {
    int(row["id"]): int(row["positive"]) for row in csv.DictReader(open("answers.csv"))
}
drawn = np.random.default_rng(0).choice(len(np.load("scores.npy")), 2401, replace=False)
share = np.mean([answers[row] for row in drawn])
half = 1.96 * np.sqrt(share * (1 - share) / len(drawn))
print(share, share - half, share + half)
