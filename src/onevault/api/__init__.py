"""The data plane's HTTP: one endpoint family a file, each parse, open the exchange, write."""
