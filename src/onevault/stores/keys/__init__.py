"""The keys that keep secrets: master keys as they are known here, and the data keys that they wrap."""
