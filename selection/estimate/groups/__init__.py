"""Group-by with one oracle: a stratified sample for each group, merged."""
