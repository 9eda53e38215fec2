"""An argument that is another one for each reader."""  # verdict: error 0
class Changing:
    count = 0

    def __iter__(self):
        Changing.count += 1
        return iter([Changing.count])


assert positives(Changing()) > 0
