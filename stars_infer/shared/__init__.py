"""An index that several machines share: kept in a database, answered from a local copy."""
