import lancedb
import numpy as np
import pyarrow.parquet as pq

table = lancedb.connect("library").create_table("items", pq.read_table("items.parquet"))
table.create_index(metric="cosine")
for query in np.load("queries.npy"):
    found = table.search(query).distance_type("cosine").limit(10).to_arrow()
