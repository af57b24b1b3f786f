#pragma once
#include <math.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
static int quiet(void) { int unused; return 0; }
#pragma GCC diagnostic pop
static int loud(void) { int unused; return 0; }
#define QUIET(x) _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wshadow\"") x _Pragma("GCC diagnostic pop")
int shadow(int a) { QUIET({ int a = 1; (void)a; }) { int a = 2; return a; } }
#pragma pack(push, 1)
struct packed { char a; int b; };
#pragma pack(pop)
#pragma GCC poison strcpy_unsafe
#pragma STDC FP_CONTRACT ON
#pragma weak loud_alias
#pragma push_macro("QUIET")
#undef QUIET
#define QUIET(x)
#pragma pop_macro("QUIET")
double root(double x) { return sqrt(x) * sizeof(struct packed) + quiet(); }
