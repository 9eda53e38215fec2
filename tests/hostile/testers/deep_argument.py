"""An argument nested too deeply."""  # verdict: error 0
deep = []
for _ in range(100_000):
    deep = [deep]
positives(deep)
