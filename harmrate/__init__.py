"""What harnesses find under the name ``harmrate``: their registries name an object after the package it stands in."""
