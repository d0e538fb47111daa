"""How proofs are shown: one module per format, each with a `render` that gives the whole report as text."""
