"""The course folder's grader: what came in, in which order it runs, what it earned."""
