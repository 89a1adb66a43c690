"""Public data sets by their official lists, and your own videos."""
