"""A local page to teach actions, to ask about clips, and to tend what was taught."""
