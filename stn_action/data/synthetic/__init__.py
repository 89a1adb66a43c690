"""The generated sample data set."""
