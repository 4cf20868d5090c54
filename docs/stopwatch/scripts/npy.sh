gleann build vectors.npy items.gleann
gleann search items.gleann queries.npy --k 10 --out found.parquet
