gleann select farthest-first vectors.npy --k 10000 --groups groups.npy --quotas equal --out picks.parquet
