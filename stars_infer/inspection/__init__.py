"""What a clip holds: measurement, report, drawing, player."""
