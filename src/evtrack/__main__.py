"""Run the command line: `python -m evtrack`."""

from evtrack.interfaces.cli import main

if __name__ == "__main__":
    main()
