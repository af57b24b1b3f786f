#include <stdatomic.h>
#include <stdbool.h>
#include <complex.h>
#define KIND(x) _Generic((x), int: "int", double: "double", default: "other")
_Atomic int counter;
_Thread_local int local;
bool f(void) { return atomic_fetch_add(&counter, 1) > local; }
const char *kind(void) { return KIND(1.0); }
double complex z(double complex a) { return a * I; }
struct { int a; struct { int b; }; } anonymous = { .b = 2, .a = 1 };
int vla(int n) { int a[n]; a[0] = n; return sizeof a + a[0]; }
