"""`python -m jnmf`: the command, which stands beside the library."""

import sys

if __name__ == "__main__":
    from jnmf_cli.main import main

    sys.exit(main())
