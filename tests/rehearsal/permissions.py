def play(r): pass
