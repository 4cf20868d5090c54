"""Keys, rights and TLS: who may call what."""
