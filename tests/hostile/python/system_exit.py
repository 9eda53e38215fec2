# guarantee: SystemExit is not passing
# expect: error
raise SystemExit(0)
