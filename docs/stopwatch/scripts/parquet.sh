gleann build items.parquet items.gleann --id-column id
gleann search items.gleann queries.npy --k 10 --out found.parquet
