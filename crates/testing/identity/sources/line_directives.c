#line 100 "grammar.y"
int parse(int a) { int unused; return a + "x"; }
#line 7
const char *where = __FILE__;
# 20 "other.h" 3
int quiet(int a, unsigned b) { int unused; return a < b; }
# 30 "/absolute/path.c" 2
int loud(int a, unsigned b) { int unused; return a < b; }
