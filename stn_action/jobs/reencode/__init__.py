"""Re-encode a data set once, so that training reads it faster."""
