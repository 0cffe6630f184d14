"""What each page says: a function of the lake for every page, and a template of the same name."""
