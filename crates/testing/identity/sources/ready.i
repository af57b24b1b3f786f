# 0 "made_from.c"
# 0 "<built-in>"
# 1 "made_from.c"
int ready(int a, unsigned b) { int unused; return a < b; }
