#include "common.h"
#include <stdio.h>
#include <stdlib.h>

unsigned compare(int a, unsigned b)
{
    int SET_ME = 1, never;
    SET(SET_ME, a = b);
    if (MAX(a, b) < 0) printf("%s %d\n", a, "text", TEXT(a));
    if (a = b) return TWICE(a) << 40;
    char *NAME(te, xt) = malloc(b);
    return a & b == 3;
}
