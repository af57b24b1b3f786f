int old(a, b) char *a; { return helper(a) + b; }
implicit() { return 1; }
main() { int (*f)() = old; return f(); }
