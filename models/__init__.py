"""Shipped encoders, one folder each, with a card that names data, licences, recipe and scores."""
