"""A list whose iterator lies: only its contents cross."""  # verdict: passed 0
class Lying(list):
    count = 0

    def __iter__(self):
        Lying.count += 1
        return iter([Lying.count])


positives(Lying([-1]))
