"""Options of XLA for tests, which compile hundreds of tiny programs: its older way to write loops takes half the time.

They are read when the first program of a process is compiled.
"""

XLA_FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
