"""AtendeJá: answers a small business's customers on WhatsApp. The way of a message: inbound → turn → outbound."""

__version__ = "0.1.0"
