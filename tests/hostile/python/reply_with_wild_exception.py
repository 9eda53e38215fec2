# guarantee: an exception in a reply is rebuilt from the standard library's classes and plain data alone
# expect: error
import os


def add(a, b):
    body = b'{"x":[[["os","system"]],"x",{"y":"builtins.len"},[["echo"]],[],null,null]}'
    os.write(3, len(body).to_bytes(4, "big") + body)
