"""The evaluation protocols of the papers, one per file (STARS, section 4.3)."""
