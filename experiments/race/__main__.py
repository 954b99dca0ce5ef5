import sys

from experiments.race import command, machine

if __name__ == "__main__":
    machine.pin(command.parse(None).threads)
    sys.exit(command.main())
