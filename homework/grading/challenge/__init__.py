"""The challenge: entries are trained by the grader within so many seconds, and measured."""
