"""What the service's interfaces are: one OpenAPI document, written as a table for each surface."""

from onevault.api.openapi.document import document

__all__ = ["document"]
