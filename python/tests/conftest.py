import signal

# What a shell starts in the background ignores interrupts, and so would all tests of them and what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
