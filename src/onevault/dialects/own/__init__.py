"""The gateway's own dialect: one request and one answer for every provider, with what it cost in the body."""

from onevault.dialects.own.spoken import OwnChat, OwnEmbeddings, OwnGenerate, OwnImages

INGRESS = (OwnChat(), OwnGenerate(), OwnEmbeddings(), OwnImages())
