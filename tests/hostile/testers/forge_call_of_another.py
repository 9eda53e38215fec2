"""Asks for a function that it may not call."""  # verdict: error 0
exchange = next(c.cell_contents.exchange for c in positives.__closure__ if hasattr(c.cell_contents, "exchange"))
resume = next(c.cell_contents for c in positives.__closure__ if getattr(c.cell_contents, "__name__", "") == "resume")
positives([1])
exchange(("call", "eval", ("1",), {}), resume)
