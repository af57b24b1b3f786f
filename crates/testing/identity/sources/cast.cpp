#include <cstdint>
#include <cstdio>
#define OLD(t, x) (t)(x)
struct A { int a; A(int x, int y) : b(x), a(y) {} int b; };
int cast(const void *p, long l) { char *c = (char *)p; std::printf("%d %s", l, NULL); return OLD(int, l) + (int)(std::uintptr_t)c + OLD(char, 300) + (A(1, 2), 3); }
int shadow(int x) { for (int x = 0; x < 3; x++) { int x = 2; } return x; }
bool compare(unsigned u, int i) { return u < i || u >= 0 || i == 1.5f; }
