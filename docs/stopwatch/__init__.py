"""Whole tasks as a newcomer does them: their lines, and the seconds that they take."""
