"""Files that are complete or absent, and locks that name their holder."""
