"""From the user's paths to text that can be analysed, and from edits of that text back to bytes on disk."""
