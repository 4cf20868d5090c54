gleann estimate --proxy scores.npy --oracle-csv answers.csv --target share --stop-at-width 0.04 --budget 5000 --out rate.json
