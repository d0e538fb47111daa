"""Random numbers, precision and dtypes."""
