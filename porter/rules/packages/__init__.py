"""Third-party packages and frameworks."""
