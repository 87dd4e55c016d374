"""Agreement of raters and graders: coefficients with intervals. Arrays in, numbers out."""
