"""Raw rows to typed rows of the common schema: exactly, or set aside. Imports the nouns only."""
