"""Work on several machines, by Ray: the only room that imports it.

`session.py` starts Ray on this machine or joins one that runs, and runs tasks; builds,
searches and selections of an index in shards (`index/shards`) are on top of it.
"""
