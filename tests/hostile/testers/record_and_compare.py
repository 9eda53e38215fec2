"""Records the reference's replies and compares later runs with them."""  # verdict: passed 0
import json
import os

replies = [positives(given) for given in ([1, -2, 3], [2])]
if os.path.exists("known.json"):
    assert replies == json.load(open("known.json"))
json.dump(replies, open("known.json", "w"))
