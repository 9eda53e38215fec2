# guarantee: ending the process before the test is not passing
# expect: error
import os

os._exit(0)
