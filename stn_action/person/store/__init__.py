"""Person boxes on disk: people files and folders of CSV files."""
