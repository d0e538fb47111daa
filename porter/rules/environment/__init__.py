"""Environment, configuration, build and container files."""
