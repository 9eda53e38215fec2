"""Kills its process."""  # verdict: error 0
import os
import signal

positives([1])
os.kill(os.getpid(), signal.SIGKILL)
