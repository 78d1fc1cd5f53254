"""From files to vectors, and collections of them."""
