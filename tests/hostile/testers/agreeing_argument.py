"""An argument that compares as it likes."""  # verdict: error 0
class Agreeing:
    def __gt__(self, other):
        return True

    def __radd__(self, other):
        return 4


assert positives([Agreeing()]) == 4
