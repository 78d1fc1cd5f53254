"""One protocol of the papers a file: how good an encoder is (STARS 4.3)."""
