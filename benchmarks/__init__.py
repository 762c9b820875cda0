"""Speed and memory, measured; the results and the commands stand in README.md beside this file."""
