"""Takes all memory."""  # verdict: error|timeout 0
positives([1])
kept = []
while True:
    kept.append(bytearray(1 << 26))
