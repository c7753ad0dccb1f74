def tell(r): pass
