"""A network and batches to a trained network."""
