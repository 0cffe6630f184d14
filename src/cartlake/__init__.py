"""cartlake: the files a shop's systems drop in a folder become trustworthy Delta Lake tables."""
