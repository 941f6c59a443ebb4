"""Credentials that each request must be given anew: signatures, and tokens that run out."""
