"""The vault on SQL: Data Vault tables, the loader that fills them from the journal, and what is read back."""
