"""Charts as SVG, drawn on the server from numbers alone."""
