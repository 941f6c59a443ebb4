"""From settings to a running gateway: the only room that names concrete classes."""
