"""Labels of a session: checked answers, known labels, and those of its rounds."""
