"""The main job, end to end, on real data that packages ship."""
