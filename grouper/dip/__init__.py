"""DIP: groups by main diagnosis and procedures, from a directory."""
