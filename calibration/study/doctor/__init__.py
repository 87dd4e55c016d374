"""What ``harmrate doctor`` examines: machine, data, judge, classifier."""
