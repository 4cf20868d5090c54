"""One door for data: files, folders and tables, read block by block.

`gleann.data` is its public face. Nothing here unpickles.
"""
