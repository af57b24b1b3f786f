#include "common.h"
int crlf(int a)
{
    int unused;
    return MAX(a, \
        2) + "x";
}
