int before(int a, unsigned b) { return a < b; }
#pragma GCC system_header
int after(int a, unsigned b) { int unused; return a < b; }
