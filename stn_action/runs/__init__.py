"""What is done with one experiment: train, test, compare, preview, draw."""
