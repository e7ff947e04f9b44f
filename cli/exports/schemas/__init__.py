"""Descriptions of the messages: JSON Schema, AsyncAPI, KQL."""
