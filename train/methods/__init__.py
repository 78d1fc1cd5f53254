"""One method of the papers a file; each is a module whose forward gives the loss of a batch."""
