"""What Python programs need to know of the TypeScript (AMS) kernel."""

__version__ = "0.1.0"
