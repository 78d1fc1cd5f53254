"""Write trained encoders as files that run without torch."""
