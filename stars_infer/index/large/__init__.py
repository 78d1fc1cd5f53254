"""What only an index of more than a thousand exemplars needs."""
