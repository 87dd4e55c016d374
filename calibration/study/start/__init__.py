"""``harmrate init``: a study file from the files at hand, and what was decided before labels were seen."""
