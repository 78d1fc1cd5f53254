"""People in pictures: videos, cameras, and the pose model that sees joints in them."""
