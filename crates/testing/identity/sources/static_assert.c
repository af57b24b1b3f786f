#include <assert.h>
static_assert(sizeof(int) == 4, "int has four bytes");
_Static_assert(sizeof(long) == 4, "long has four bytes");
int f(int a) { assert(a == 1); return a; }
