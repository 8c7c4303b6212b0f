"""What a run leaves behind: events, progress, image grids, trackers and a self-contained HTML report."""
