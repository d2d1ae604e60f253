"""`python -m transphy3d` is the command line."""

from transphy3d.cli import main

if __name__ == "__main__":
    main()
