"""What only a developer's machine needs: an embedded PostgreSQL, `atendeja dev`, and what writes the client."""
