"""The commands of ``harmrate``, one file per group: parse, call the library, print."""
