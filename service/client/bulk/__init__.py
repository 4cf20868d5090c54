"""Requests and answers of any size: split into messages, sent, and joined."""
