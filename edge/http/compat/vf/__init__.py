"""The WebSocket of the sandbox Virtual Factory, for the pages of it: see docs/page-protocol.md."""
