int over(int a, int b) { int c[4] = { 0 }; c[a] = a + b; return c[b] << a; }
int deref(int *p) { return *p; }
