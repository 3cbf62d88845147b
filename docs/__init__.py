"""What builds the generated pages."""
