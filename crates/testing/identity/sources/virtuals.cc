struct base { virtual int f(int) ; int g(); };
struct derived : base { virtual int f(long); int g(); ~derived(); };
int derived::f(long x) { return base::f(x); }
void leak(base *b) { delete b; }
int missing() { }
