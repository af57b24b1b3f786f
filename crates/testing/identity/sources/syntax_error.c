#include "common.h"
int broken(int a)
{
    int b = MAX(a, 2
    return undeclared + a;
}
struct { int x; } y = { .z = 1 }
void end(void) { retrun 1; }
