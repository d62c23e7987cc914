"""Other dialects, accepted as they are: each becomes the files and records of `clavichord.sync`."""
