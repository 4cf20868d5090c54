gleann curate duplicates vectors.npy --similarity 0.95 --out found.parquet
