"""The engines in Redis or Valkey: exact for any number of processes that share one store."""
