# guarantee: an endless loop at the top level ends at the limit
# expect: timeout
while True:
    pass
