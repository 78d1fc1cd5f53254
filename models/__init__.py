"""Shipped encoders, one folder each, with a card that names data, licenses, recipe and scores."""
