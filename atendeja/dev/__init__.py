"""What only a developer's machine needs: an embedded PostgreSQL, and `atendeja dev`."""
