"""Pages, served as files."""
