"""Values that the reports of jobs show: counts, curves and histograms of arrays."""
